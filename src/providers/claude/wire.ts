import { z } from 'zod'

const toolUse = z.object({
  type: z.literal('tool_use'),
  id: z.string(),
  name: z.string(),
  input: z.record(z.string(), z.unknown()),
})
const text = z.object({ type: z.literal('text'), text: z.string() })
const toolResult = z.object({
  type: z.literal('tool_result'),
  tool_use_id: z.string(),
  is_error: z.boolean().nullish(),
})
const other = z.object({ type: z.string() }).transform(() => ({ type: 'other' as const }))

/** What went into one call or all of them. */
const tokens = z.object({
  input_tokens: z.number().nullish(),
  output_tokens: z.number().nullish(),
  cache_creation_input_tokens: z.number().nullish(),
  cache_read_input_tokens: z.number().nullish(),
})

const streamEvent = z.union([
  z.object({
    type: z.literal('message_start'),
    message: z.object({ id: z.string(), model: z.string().nullish(), usage: tokens.nullish() }),
  }),
  z.object({
    type: z.literal('content_block_delta'),
    index: z.number(),
    delta: z.union([
      z.object({ type: z.literal('text_delta'), text: z.string() }),
      z.object({ type: z.literal('thinking_delta'), thinking: z.string() }),
      other,
    ]),
  }),
  other,
])

const question = z.union([
  z.object({
    subtype: z.literal('can_use_tool'),
    tool_name: z.string(),
    input: z.record(z.string(), z.unknown()),
    permission_suggestions: z.array(z.record(z.string(), z.unknown())).nullish(),
  }),
  z.object({ subtype: z.string() }).transform(() => ({ subtype: 'other' as const })),
])

/** What Claude writes on stdout, one object a line; only what we read. */
export const message = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('system'),
    subtype: z.string(),
    session_id: z.string().nullish(),
    attempt: z.number().nullish(),
    error_status: z.number().nullish(),
    error: z.string().nullish(),
    permissionMode: z.string().nullish(),
    /** Of `background_tasks_changed`: all that run now. */
    tasks: z.array(z.unknown()).nullish(),
  }),
  z.object({
    type: z.literal('rate_limit_event'),
    rate_limit_info: z.object({
      status: z.string(),
      /** Seconds since 1970. */
      resetsAt: z.number().nullish(),
      rateLimitType: z.string().nullish(),
    }),
  }),
  z.object({
    type: z.literal('stream_event'),
    event: streamEvent,
    parent_tool_use_id: z.string().nullish(),
    /** The stream was cut: what it told of this message, from this block on, is void. */
    abandoned_blocks: z.object({ api_message_id: z.string(), from_block_index: z.number() }).nullish(),
  }),
  z.object({
    type: z.literal('assistant'),
    message: z.object({
      id: z.string(),
      model: z.string().nullish(),
      content: z.array(z.union([text, toolUse, other])),
    }),
    parent_tool_use_id: z.string().nullish(),
  }),
  z.object({
    type: z.literal('user'),
    message: z.object({ content: z.union([z.string(), z.array(z.union([toolResult, other]))]) }),
    parent_tool_use_id: z.string().nullish(),
  }),
  z.object({ type: z.literal('control_request'), request_id: z.string(), request: question }),
  z.object({ type: z.literal('control_cancel_request'), request_id: z.string() }),
  z.object({
    type: z.literal('control_response'),
    response: z.object({ request_id: z.string(), subtype: z.string(), response: z.unknown().optional() }),
  }),
  z.object({ type: z.literal('command_lifecycle'), command_uuid: z.string(), state: z.string() }),
  z.object({
    type: z.literal('result'),
    subtype: z.string(),
    is_error: z.boolean(),
    terminal_reason: z.string().nullish(),
    stop_reason: z.string().nullish(),
    api_error_status: z.number().nullish(),
    result: z.string().nullish(),
    errors: z.array(z.string()).nullish(),
    total_cost_usd: z.number().nullish(),
    usage: tokens.nullish(),
    modelUsage: z.record(z.string(), z.object({ contextWindow: z.number().nullish() })).nullish(),
  }),
])

export type Message = z.infer<typeof message>
export type Tokens = z.infer<typeof tokens>
export type Result = Extract<Message, { type: 'result' }>
export type PermissionQuestion = Extract<z.infer<typeof question>, { subtype: 'can_use_tool' }>

/** A line of Claude's; `unknown` for a kind of message that we do not read; undefined where it is none at all. */
export function parseMessage(line: string): Message | 'unknown' | undefined {
  let json: unknown
  try {
    json = JSON.parse(line)
  } catch {
    // Half a line, or the words of some other program.
    return undefined
  }
  const parsed = message.safeParse(json)
  if (parsed.success) return parsed.data
  return z.object({ type: z.string() }).safeParse(json).success ? 'unknown' : undefined
}
