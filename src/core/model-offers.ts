import type { CommandAnswer, Control } from './command.ts'
import type { Offer } from './notices.ts'
import type { Model } from './provider.ts'

const mostOffers = 30

/** The models of a provider to choose from. */
export async function modelOffers(control: Control, provider: string): Promise<CommandAnswer> {
  const { strand, providers } = control
  const list = await control.models(provider)
  const others = providers.filter((name) => name !== provider)
  const switching = others.map((name): Offer => ({
    label: `${name} …`,
    action: { do: 'models', strand, provider: name },
  }))
  const usual: Offer = { label: `${provider}’s own choice`, action: { do: 'model', strand, provider } }
  const models = (list?.models ?? []).slice(0, mostOffers)
  const { provider: current, model, effort } = control.status()
  const now = [current, model, effort].filter((one) => one !== undefined).join(', ')
  return {
    text: [
      `Now: ${now}.`,
      ...(list === undefined ? [`${provider} does not tell its models; /model NAME takes any.`] : []),
      ...(list?.asOf === undefined ? [] : [`The list is of ${list.asOf}; /model NAME takes any other.`]),
    ].join('\n'),
    offers: [...models.map((one) => modelOffer(one, strand, provider)), usual, ...switching],
  }
}

function modelOffer({ id, name }: Model, strand: string, provider: string): Offer {
  return { label: name, action: { do: 'model', strand, provider, model: id } }
}

/** How hard the model of this conversation can think. */
export async function effortOffers(control: Control): Promise<CommandAnswer> {
  const { provider, model, effort, strand } = control.status()
  const list = await control.models()
  const current = list?.models.find(({ id, isDefault }) =>
    model === undefined ? isDefault === true : id === model,
  )
  const efforts = current?.efforts ?? []
  if (efforts.length === 0)
    return { text: `${model ?? provider} offers no choice of effort; /effort NAME is passed on as it is.` }
  return {
    text: `Effort now: ${effort ?? 'the usual'}.`,
    offers: efforts.map((one) => ({
      label: one,
      action: { do: 'model', strand, provider, ...(model === undefined ? {} : { model }), effort: one },
    })),
  }
}
