import { z } from 'zod'
import { defineProvider } from '../../core/define.ts'
import { CodexProvider } from './provider.ts'

const config = z.object({
  command: z
    .array(z.string())
    .min(1)
    .optional()
    .describe('The program and its first arguments, where it is not the `codex` of the PATH.'),
  env: z.record(z.string(), z.string()).optional().describe('Added to the environment of the program.'),
  args: z.array(z.string()).optional().describe('Further arguments for the program, `-c key=value` for one.'),
  idle_minutes: z
    .number()
    .positive()
    .default(10)
    .describe('Minutes without a turn after which the process is ended.'),
  max_warm: z
    .int()
    .nonnegative()
    .default(20)
    .describe('How many conversations stay loaded in the process; the oldest is let go of first.'),
})

export default defineProvider({
  name: 'codex',
  config,
  programs: ['codex'],
  open: (settings, deps) =>
    new CodexProvider(
      {
        command: settings.command ?? ['codex'],
        args: settings.args ?? [],
        idleMs: settings.idle_minutes * 60_000,
        maxWarm: settings.max_warm,
      },
      { ...deps, env: { ...deps.env, ...settings.env } },
    ),
})
