import { z } from 'zod'
import type { AcpAgent } from './acp-agent.ts'
import { defaultPatience } from './acp-agent.ts'

/** The keys of `providers.NAME` that every agent of the protocol has. */
export const acpKeys = {
  env: z.record(z.string(), z.string()).optional().describe('added to the environment of the program'),
  idle_minutes: z
    .number()
    .positive()
    .default(10)
    .describe('minutes after which a process that nobody talks to is ended'),
  max_warm: z.int().nonnegative().default(8).describe('how many sessions its process keeps ready'),
  silence_notice_seconds: z
    .number()
    .positive()
    .default(30)
    .describe('seconds of silence in a turn after which the chat is told'),
  silence_minutes: z
    .number()
    .positive()
    .default(5)
    .describe('minutes of silence after which a turn is ended'),
  tool_silence_minutes: z.number().positive().default(60).describe('the same while a tool of the agent runs'),
}

const settings = z.object(acpKeys)

/** What the keys say of an agent. */
export function keptBy(keys: z.infer<typeof settings>): Pick<AcpAgent, 'idleMs' | 'maxWarm' | 'patience'> {
  return {
    idleMs: keys.idle_minutes * 60_000,
    maxWarm: keys.max_warm,
    patience: {
      ...defaultPatience,
      noticeMs: keys.silence_notice_seconds * 1000,
      silenceMs: keys.silence_minutes * 60_000,
      toolSilenceMs: keys.tool_silence_minutes * 60_000,
    },
  }
}
