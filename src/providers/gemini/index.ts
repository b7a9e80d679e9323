import { defineProvider } from '../../core/define.ts'
import { config } from './config.ts'

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
