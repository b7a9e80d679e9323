import { z } from 'zod'

const attachment = z.object({
  kind: z.enum(['picture', 'voice', 'audio', 'video', 'sticker', 'file']),
  name: z.string(),
  mimeType: z.string(),
  size: z.number().exactOptional(),
  path: z.string().exactOptional(),
})

const prompt = z.object({
  type: z.literal('prompt'),
  turn: z.string(),
  text: z.string(),
  attachments: z.array(attachment),
  permissionMode: z.enum(['readOnly', 'ask', 'acceptEdits', 'plan', 'bypassPermissions']),
  session: z.string().exactOptional(),
  /** The commands that were allowed for the session, in a process that has ended. */
  granted: z.array(z.string()),
  instructions: z.string().exactOptional(),
  model: z.string().exactOptional(),
  effort: z.string().exactOptional(),
})
export type Prompt = z.infer<typeof prompt>

/** One line from ductor to the demo agent. */
export const request = z.discriminatedUnion('type', [
  prompt,
  z.object({
    type: z.literal('answer'),
    turn: z.string(),
    id: z.string(),
    allow: z.boolean(),
    remember: z.boolean().exactOptional(),
  }),
  z.object({
    type: z.literal('reply'),
    turn: z.string(),
    id: z.string(),
    answers: z.array(z.array(z.string())),
  }),
  z.object({
    type: z.literal('steer'),
    turn: z.string(),
    id: z.string(),
    text: z.string(),
    attachments: z.array(attachment),
  }),
  z.object({ type: z.literal('cancel'), turn: z.string() }),
])
export type Request = z.infer<typeof request>

const option = z.object({ label: z.string(), description: z.string().exactOptional() })

/** The agent speaks ductor's own words, so that nothing has to be translated. */
const event = z.discriminatedUnion('type', [
  z.object({ type: z.literal('session.started'), sessionId: z.string() }),
  z.object({ type: z.literal('text'), delta: z.string(), block: z.string() }),
  z.object({ type: z.literal('text.reset'), block: z.string() }),
  z.object({ type: z.literal('thinking'), delta: z.string() }),
  z.object({
    type: z.literal('tool'),
    id: z.string(),
    title: z.string(),
    status: z.enum(['in_progress', 'completed', 'failed']),
  }),
  z.object({
    type: z.literal('plan'),
    entries: z.array(z.object({ text: z.string(), status: z.enum(['pending', 'in_progress', 'completed']) })),
  }),
  z.object({ type: z.literal('notice'), message: z.string() }),
  z.object({
    type: z.literal('permission.requested'),
    id: z.string(),
    title: z.string(),
    detail: z.string(),
    language: z.string().exactOptional(),
    rememberable: z.boolean(),
    grant: z.object({ rule: z.string(), says: z.string() }).exactOptional(),
  }),
  z.object({
    type: z.literal('question.asked'),
    id: z.string(),
    questions: z.array(z.object({ text: z.string(), options: z.array(option), multiple: z.boolean() })),
  }),
  z.object({ type: z.literal('permission.withdrawn'), id: z.string() }),
  z.object({
    type: z.literal('turn.ended'),
    stop: z.enum(['end_turn', 'cancelled', 'refusal', 'limit', 'failed']),
    error: z.string().exactOptional(),
    usage: z
      .object({
        inputTokens: z.number(),
        outputTokens: z.number(),
        costUsd: z.number(),
        contextTokens: z.number(),
        contextWindow: z.number(),
      })
      .exactOptional(),
  }),
])
export type Event = z.infer<typeof event>

/** One line from the demo agent to ductor. */
export const reply = z.discriminatedUnion('type', [
  z.object({ type: z.literal('event'), turn: z.string(), event }),
  /** The agent begins a turn by itself. */
  z.object({ type: z.literal('begun'), turn: z.string() }),
  z.object({
    type: z.literal('steered'),
    id: z.string(),
    outcome: z.enum(['taken', 'unsupported', 'over']),
  }),
])
export type Reply = z.infer<typeof reply>
