import { z } from 'zod'
import type { Place } from './core/message.ts'
import type { Notices } from './core/notices.ts'
import type { Memory } from './core/transport.ts'
import { span } from './lib/span.ts'

const note = z.object({
  place: z.object({
    key: z.string(),
    transport: z.string(),
    chat: z.string(),
    thread: z.string().exactOptional(),
  }),
  at: z.number(),
})

const key = 'restart'

/** Writes down who asked for a restart, so that the new process can say there that it is back. */
export function noteRestart(memory: Memory, place: Place): void {
  memory.remember({ [key]: JSON.stringify({ place, at: Date.now() }) })
}

/** Says in the chat that asked for it that the restart is done. Call within a transaction. */
export function confirmRestart(memory: Memory, notices: Notices): void {
  const kept = memory.recall(key)
  if (kept === undefined) return
  memory.remember({ [key]: null })
  const { place, at } = note.parse(JSON.parse(kept))
  notices.say({ key: `restarted/${at}`, place, text: `I am back, after ${span(Date.now() - at)}.` })
}
