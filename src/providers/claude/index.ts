import { z } from 'zod'
import { defineProvider } from '../../core/define.ts'
import { ClaudeProvider } from './provider.ts'

const config = z.object({
  /** The program and its first arguments, where it is not the `claude` of the PATH. */
  command: z.array(z.string()).min(1).optional(),
  /** Added to the environment of the program. */
  env: z.record(z.string(), z.string()).optional(),
  /** Further arguments for the program. */
  args: z.array(z.string()).optional(),
  /** Minutes after which a process that nobody talks to is ended. */
  idle_minutes: z.number().positive().default(10),
  /** How many processes wait for another prompt at most. */
  max_warm: z.int().nonnegative().default(8),
})

export default defineProvider({
  name: 'claude',
  config,
  programs: ['claude'],
  open: (settings, deps) =>
    new ClaudeProvider(
      {
        command: settings.command ?? ['claude'],
        args: settings.args ?? [],
        idleMs: settings.idle_minutes * 60_000,
        maxWarm: settings.max_warm,
      },
      { ...deps, env: { ...deps.env, ...settings.env } },
    ),
})
