import { isCalled } from '../core/asked-model.ts'
import type { Command, Control } from '../core/command.ts'
import { modelOffers } from '../core/model-offers.ts'
import { nearest } from '../lib/nearest.ts'

export const model: Command = {
  name: 'model',
  summary: 'which provider and model answers here; for one message: @MODEL TEXT',
  usage: '[NAME]',
  group: 'agent',
  async run({ args, control, prefix }) {
    const { provider } = control.status()
    if (args === '') return modelOffers(control, provider)
    if (control.providers.includes(args.toLowerCase())) {
      await control.choose({ provider: args.toLowerCase() })
      return `${args.toLowerCase()} answers here from now on.${await goesOn(control)}`
    }
    const owner = await ownerOf(args, control, provider)
    await control.choose({ provider: owner.provider, model: owner.model })
    const doubt = owner.known ? '' : await doubtAbout(owner.model, control, owner.provider, prefix)
    return `${owner.provider} answers with ${owner.model} from now on.${doubt}${await goesOn(control)}`
  },
}

/** The provider that has a model of this name; the present one where nobody knows it. */
async function ownerOf(
  wanted: string,
  control: Control,
  current: string,
): Promise<{ readonly provider: string; readonly model: string; readonly known: boolean }> {
  for (const provider of [current, ...control.providers.filter((one) => one !== current)]) {
    const list = await control.models(provider).catch(() => {
      // A provider that cannot tell now (not signed in, not installed) is no reason not to ask the next.
      return undefined
    })
    const found = list?.models.find((each) => isCalled(each, wanted))
    if (found !== undefined) return { provider, model: found.id, known: true }
  }
  return { provider: current, model: wanted, known: false }
}

/** A CLI may take more names than it lists; a slip is told all the same, for only the next turn would show it. */
async function doubtAbout(
  wanted: string,
  control: Control,
  provider: string,
  prefix: string,
): Promise<string> {
  const list = await control.models(provider).catch(() => {
    // Then nobody knows better.
    return undefined
  })
  if (list === undefined) return ''
  const near = nearest(
    wanted,
    list.models.flatMap(({ id, name }) => [id, name]),
  )
  const meant = near === undefined ? `${prefix}model shows them.` : `did you mean ${prefix}model ${near}?`
  return ` That is none of the models that it lists; ${meant}`
}

async function goesOn(control: Control): Promise<string> {
  const { session, provider } = control.status()
  return session === undefined
    ? ' It begins a new session.'
    : ` It goes on with its own session here (${provider}, ${session.messages} messages).`
}
