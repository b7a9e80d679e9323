import type { Command } from '../core/command.ts'
import { effortOffers } from '../core/model-offers.ts'

export const effort: Command = {
  name: 'effort',
  summary: 'how hard the model thinks here',
  usage: '[NAME]',
  group: 'agent',
  async run({ args, control }) {
    if (args === '') return effortOffers(control)
    const { provider, model } = control.status()
    await control.choose({ provider, ...(model === undefined ? {} : { model }), effort: args.toLowerCase() })
    return `Effort from now on: ${args.toLowerCase()}.`
  },
}
