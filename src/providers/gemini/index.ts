import { z } from 'zod'
import { defineProvider } from '../../core/define.ts'
import { acpKeys } from '../acp-config.ts'

export const config = z.object({
  command: z
    .array(z.string())
    .min(1)
    .optional()
    .describe('the program and its first arguments, where it is not the `gemini` of the PATH'),
  ...acpKeys,
})

export default defineProvider({
  name: 'gemini',
  config,
  programs: ['gemini'],
  async open(settings, deps) {
    const [{ AcpProvider }, { geminiAgent }] = await Promise.all([
      import('../acp-provider.ts'),
      import('./agent.ts'),
    ])
    const { agent, env } = geminiAgent(settings, deps)
    return new AcpProvider(agent, { ...deps, env })
  },
})
