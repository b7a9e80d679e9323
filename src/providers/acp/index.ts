import { z } from 'zod'
import { defineProvider, type ProviderDefinition } from '../../core/define.ts'
import { acpKeys } from '../acp-config.ts'
import { describedAgent } from './known.ts'

const config = z.object({
  protocol: z.literal('acp').describe('makes a provider of this block, under the name that it has'),
  command: z
    .array(z.string())
    .min(1, 'must be a list with the program first: ["opencode", "acp"]')
    .describe('program and arguments that make the agent speak ACP, as `["opencode", "acp"]`'),
  ...acpKeys,
})

export default called('acp')

/** The provider that `providers.NAME` describes. */
function called(name: string): ProviderDefinition<z.infer<typeof config>> {
  return defineProvider({
    name,
    config,
    programs: [],
    called,
    async open(settings, deps) {
      const { AcpProvider } = await import('../acp-provider.ts')
      const env = { ...deps.env, ...settings.env }
      return new AcpProvider(describedAgent(name, settings), { ...deps, env })
    },
  })
}
