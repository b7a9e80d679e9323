import { z } from 'zod'
import { defineProvider } from '../../core/define.ts'
import { DemoProvider } from './provider.ts'

const config = z.object({ env: z.record(z.string(), z.string()).optional() })

export default defineProvider({
  name: 'demo',
  config,
  programs: [],
  open: (settings, deps) => new DemoProvider({ ...deps, env: { ...deps.env, ...settings.env } }),
})
