import { z } from 'zod'
import { defineProvider } from '../../core/define.ts'

const config = z.object({
  command: z
    .array(z.string())
    .min(1)
    .optional()
    .describe('The program and its first arguments, where it is not the `claude` of the PATH.'),
  env: z.record(z.string(), z.string()).optional().describe('Added to the environment of the program.'),
  args: z.array(z.string()).optional().describe('Further arguments for the program.'),
  idle_minutes: z
    .number()
    .positive()
    .default(10)
    .describe('Minutes after which a process that nobody talks to is ended.'),
  max_warm: z.int().nonnegative().default(8).describe('How many processes wait for another prompt at most.'),
  silence_notice_minutes: z
    .number()
    .positive()
    .default(5)
    .describe('Minutes of silence in a turn after which the chat is told.'),
  silence_stop_minutes: z
    .number()
    .positive()
    .default(30)
    .describe('Minutes of silence in a turn after which it is ended.'),
})

export default defineProvider({
  name: 'claude',
  config,
  programs: ['claude'],
  async open(settings, deps) {
    const { ClaudeProvider } = await import('./provider.ts')
    return new ClaudeProvider(
      {
        command: settings.command ?? ['claude'],
        args: settings.args ?? [],
        idleMs: settings.idle_minutes * 60_000,
        maxWarm: settings.max_warm,
      },
      { ...deps, env: { ...deps.env, ...settings.env } },
      {
        noticeMs: settings.silence_notice_minutes * 60_000,
        stopMs: settings.silence_stop_minutes * 60_000,
      },
    )
  },
})
