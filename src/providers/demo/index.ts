import { z } from 'zod'
import { defineProvider } from '../../core/define.ts'

const config = z.object({ env: z.record(z.string(), z.string()).optional() })

export default defineProvider({
  name: 'demo',
  config,
  programs: [],
  async open(settings, deps) {
    const { DemoProvider } = await import('./provider.ts')
    return new DemoProvider({ ...deps, env: { ...deps.env, ...settings.env } })
  },
})
