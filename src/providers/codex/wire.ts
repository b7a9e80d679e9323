import { z } from 'zod'

/**
 * What `codex app-server` (0.169.0) writes on stdout, one object a line: JSON-RPC without its `jsonrpc` field. Only
 * what we read; `codex app-server generate-ts` prints all there is.
 */
const id = z.union([z.number(), z.string()])
const envelope = z.object({
  id: id.optional(),
  method: z.string().optional(),
  params: z.unknown().optional(),
  result: z.unknown().optional(),
  error: z.object({ message: z.string() }).optional(),
})

export type RequestId = z.infer<typeof id>

/** A line of the server's: the answer to a request of ours, a request of its own, or something that happened. */
export type Incoming =
  | { readonly kind: 'result'; readonly id: RequestId; readonly result: unknown }
  | { readonly kind: 'error'; readonly id: RequestId; readonly message: string }
  | { readonly kind: 'request'; readonly id: RequestId; readonly method: string; readonly params: unknown }
  | { readonly kind: 'notification'; readonly method: string; readonly params: unknown }

/** Undefined for a line that is none of the protocol's. */
export function parseLine(line: string): Incoming | undefined {
  const parsed = envelope.safeParse(jsonOf(line))
  if (!parsed.success) return undefined
  const { id: about, method, params, result, error } = parsed.data
  if (method !== undefined)
    return about === undefined
      ? { kind: 'notification', method, params }
      : { kind: 'request', id: about, method, params }
  if (about === undefined) return undefined
  return error === undefined
    ? { kind: 'result', id: about, result }
    : { kind: 'error', id: about, message: error.message }
}

function jsonOf(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch {
    // Half a line, or the words of some other program.
    return undefined
  }
}

const change = z.object({
  path: z.string(),
  kind: z.object({ type: z.string(), move_path: z.string().nullish() }),
  diff: z.string(),
})
export type FileChange = z.infer<typeof change>

const item = z.union([
  z.object({ type: z.literal('userMessage'), id: z.string(), clientId: z.string().nullish() }),
  z.object({ type: z.enum(['agentMessage', 'plan']), id: z.string(), text: z.string() }),
  z.object({ type: z.literal('reasoning'), id: z.string() }),
  z.object({ type: z.literal('commandExecution'), id: z.string(), command: z.string(), status: z.string() }),
  z.object({ type: z.literal('fileChange'), id: z.string(), changes: z.array(change), status: z.string() }),
  z.object({
    type: z.literal('mcpToolCall'),
    id: z.string(),
    server: z.string(),
    tool: z.string(),
    status: z.string(),
  }),
  z.object({ type: z.literal('webSearch'), id: z.string(), query: z.string().nullish() }),
  z.object({ type: z.literal('imageView'), id: z.string(), path: z.string() }),
  z.object({ type: z.literal('imageGeneration'), id: z.string() }),
  z.object({ type: z.literal('collabAgentToolCall'), id: z.string(), tool: z.string(), status: z.string() }),
  z.object({ type: z.literal('contextCompaction'), id: z.string() }),
  z.object({ type: z.string(), id: z.string() }).transform(() => ({ type: 'other' as const })),
])
export type Item = z.infer<typeof item>

const withCode = z.object({ httpStatusCode: z.number().nullish() })
const turnError = z.object({
  message: z.string(),
  additionalDetails: z.string().nullish(),
  /** A word, or an object with one key whose value may hold the HTTP status. */
  codexErrorInfo: z.union([z.string(), z.record(z.string(), z.union([withCode, z.unknown()]))]).nullish(),
})
export type TurnError = z.infer<typeof turnError>

const tokens = z.object({ totalTokens: z.number(), inputTokens: z.number(), outputTokens: z.number() })
const window = z.object({
  usedPercent: z.number(),
  windowDurationMins: z.number().nullish(),
  /** Seconds since 1970. */
  resetsAt: z.number().nullish(),
})
const limits = z.object({ primary: window.nullish(), secondary: window.nullish() })
export type RateLimits = z.infer<typeof limits>

const ofTurn = { threadId: z.string(), turnId: z.string() }
const delta = z.object({ ...ofTurn, itemId: z.string(), delta: z.string() })
const aboutItem = z.object({ ...ofTurn, item })
const aboutTurn = z.object({
  threadId: z.string(),
  turn: z.object({ id: z.string(), status: z.string(), error: turnError.nullish() }),
})

const notification = z.discriminatedUnion('method', [
  z.object({ method: z.literal('turn/started'), params: aboutTurn }),
  z.object({ method: z.literal('turn/completed'), params: aboutTurn }),
  z.object({ method: z.literal('item/started'), params: aboutItem }),
  z.object({ method: z.literal('item/completed'), params: aboutItem }),
  z.object({ method: z.literal('item/agentMessage/delta'), params: delta }),
  z.object({ method: z.literal('item/plan/delta'), params: delta }),
  z.object({ method: z.literal('item/reasoning/summaryTextDelta'), params: delta }),
  z.object({ method: z.literal('item/reasoning/textDelta'), params: delta }),
  z.object({
    method: z.literal('turn/plan/updated'),
    params: z.object({
      ...ofTurn,
      plan: z.array(z.object({ step: z.string(), status: z.string() })),
    }),
  }),
  z.object({
    method: z.literal('thread/tokenUsage/updated'),
    params: z.object({
      ...ofTurn,
      tokenUsage: z.object({ total: tokens, last: tokens, modelContextWindow: z.number().nullish() }),
    }),
  }),
  z.object({
    method: z.literal('model/rerouted'),
    params: z.object({ ...ofTurn, fromModel: z.string(), toModel: z.string() }),
  }),
  z.object({
    method: z.literal('error'),
    params: z.object({ ...ofTurn, error: turnError, willRetry: z.boolean() }),
  }),
  z.object({
    method: z.literal('serverRequest/resolved'),
    params: z.object({ threadId: z.string(), requestId: id }),
  }),
  z.object({
    method: z.literal('thread/started'),
    params: z.object({ thread: z.object({ id: z.string(), parentThreadId: z.string().nullish() }) }),
  }),
  z.object({ method: z.literal('account/rateLimits/updated'), params: z.object({ rateLimits: limits }) }),
])
export type Notification = z.infer<typeof notification>

/** Undefined for one that we do not read, or that is not as we know it. */
export function parseNotification(method: string, params: unknown): Notification | undefined {
  return notification.safeParse({ method, params }).data
}

/** Told on initialising: what is never read need not be written. */
export const unread = [
  'item/commandExecution/outputDelta',
  'item/fileChange/outputDelta',
  'item/fileChange/patchUpdated',
  'item/mcpToolCall/progress',
  'item/reasoning/summaryPartAdded',
  'turn/diff/updated',
  'thread/readState/changed',
  'thread/status/changed',
  'mcpServer/startupStatus/updated',
  'remoteControl/status/changed',
  'skills/changed',
]

/** What the server answers to requests of ours. */
export const replies = {
  anything: z.unknown(),
  thread: z.object({ thread: z.object({ id: z.string() }), model: z.string().nullish() }),
  turn: z.object({ turn: z.object({ id: z.string() }) }),
  account: z.object({ account: z.unknown(), requiresOpenaiAuth: z.boolean() }),
  config: z.object({
    config: z.object({ model: z.string().nullish(), model_reasoning_effort: z.string().nullish() }),
  }),
  models: z.object({
    data: z.array(
      z.object({
        model: z.string(),
        displayName: z.string(),
        description: z.string().nullish(),
        hidden: z.boolean(),
        isDefault: z.boolean(),
        supportedReasoningEfforts: z.array(z.object({ reasoningEffort: z.string() })),
        defaultReasoningEffort: z.string().nullish(),
      }),
    ),
    nextCursor: z.string().nullish(),
  }),
  threads: z.object({
    data: z.array(
      z.object({
        id: z.string(),
        preview: z.string(),
        name: z.string().nullish(),
        /** Seconds since 1970. */
        updatedAt: z.number(),
      }),
    ),
  }),
}
