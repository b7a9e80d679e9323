import { isCalled } from '../core/asked-model.ts'
import type { Command, Control } from '../core/command.ts'
import { modelOffers } from '../core/model-offers.ts'

export const model: Command = {
  name: 'model',
  summary: 'which provider and model answers here; for one message: @MODEL TEXT',
  usage: '[NAME]',
  group: 'agent',
  async run({ args, control }) {
    const { provider } = control.status()
    if (args === '') return modelOffers(control, provider)
    if (control.providers.includes(args.toLowerCase())) {
      await control.choose({ provider: args.toLowerCase() })
      return `${args.toLowerCase()} answers here from now on.${await goesOn(control)}`
    }
    const owner = await ownerOf(args, control, provider)
    await control.choose({ provider: owner.provider, model: owner.model })
    return `${owner.provider} answers with ${owner.model} from now on.${await goesOn(control)}`
  },
}

/** The provider that has a model of this name; the present one where nobody knows it. */
async function ownerOf(
  wanted: string,
  control: Control,
  current: string,
): Promise<{ readonly provider: string; readonly model: string }> {
  for (const provider of [current, ...control.providers.filter((one) => one !== current)]) {
    const list = await control.models(provider).catch(() => {
      // A provider that cannot tell now (not signed in, not installed) is no reason not to ask the next.
      return undefined
    })
    const found = list?.models.find((each) => isCalled(each, wanted))
    if (found !== undefined) return { provider, model: found.id }
  }
  return { provider: current, model: wanted }
}

async function goesOn(control: Control): Promise<string> {
  const { session, provider } = control.status()
  return session === undefined
    ? ' It begins a new session.'
    : ` It goes on with its own session here (${provider}, ${session.messages} messages).`
}
