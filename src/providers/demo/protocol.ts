import { z } from 'zod'

/** One line from ductor to the demo agent. */
export const request = z.discriminatedUnion('type', [
  z.object({ type: z.literal('prompt'), turn: z.string(), text: z.string(), session: z.string().optional() }),
  z.object({ type: z.literal('answer'), request: z.string(), allow: z.boolean() }),
  z.object({ type: z.literal('cancel') }),
])
export type Request = z.infer<typeof request>

/** One line from the demo agent to ductor. */
export const reply = z.discriminatedUnion('type', [
  z.object({ type: z.literal('session'), session: z.string() }),
  z.object({ type: z.literal('text'), delta: z.string(), block: z.string() }),
  z.object({ type: z.literal('thinking') }),
  z.object({
    type: z.literal('tool'),
    id: z.string(),
    title: z.string(),
    status: z.enum(['in_progress', 'completed', 'failed']),
  }),
  z.object({ type: z.literal('permission'), id: z.string(), title: z.string(), detail: z.string() }),
  z.object({
    type: z.literal('end'),
    stop: z.enum(['end_turn', 'cancelled', 'failed']),
    error: z.string().optional(),
  }),
])
export type Reply = z.infer<typeof reply>
