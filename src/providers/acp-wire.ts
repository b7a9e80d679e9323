import { z } from 'zod'

/** A field that an agent may fill with anything: what we cannot read counts as not there. */
const lenient = <Schema extends z.ZodType>(schema: Schema) => schema.nullish().catch(undefined)

const content = z.union([
  z.object({ type: z.literal('text'), text: z.string() }),
  z.object({ type: z.string() }).transform(() => ({ type: 'other' as const })),
])

const toolContent = z.union([
  z.object({ type: z.literal('content'), content }),
  z.object({
    type: z.literal('diff'),
    path: z.string(),
    oldText: z.string().nullish(),
    newText: z.string(),
  }),
  z.object({ type: z.string() }).transform(() => ({ type: 'other' as const })),
])

const toolCall = z.object({
  toolCallId: z.string(),
  title: lenient(z.string()),
  kind: lenient(z.string()),
  status: lenient(z.enum(['pending', 'in_progress', 'completed', 'failed'])),
  content: lenient(z.array(toolContent)),
  locations: lenient(z.array(z.object({ path: z.string() }))),
  rawInput: lenient(z.record(z.string(), z.unknown())),
})
/** What is told of a tool: all of it, or what has changed. */
export type ToolCall = z.infer<typeof toolCall>

const option = z.object({ optionId: z.string(), name: z.string(), kind: z.string() })
export type PermissionOption = z.infer<typeof option>

const permissionRequest = z.object({ sessionId: z.string(), toolCall, options: z.array(option) })
export type PermissionRequest = z.infer<typeof permissionRequest>

const choice = z.object({ value: z.string(), name: z.string(), description: z.string().nullish() })

const select = z.object({
  id: z.string(),
  category: lenient(z.string()),
  type: z.literal('select'),
  currentValue: z.string(),
  /** Flat, or in groups. */
  options: z.array(z.union([choice, z.object({ options: z.array(choice) })])),
})
const configOptions = z
  .array(z.union([select, z.unknown().transform(() => undefined)]))
  .transform((options) => options.filter((each) => each !== undefined))
export type ConfigOption = z.infer<typeof select>

const chunk = { content, messageId: lenient(z.string()) }
const update = z.discriminatedUnion('sessionUpdate', [
  z.object({ sessionUpdate: z.literal('user_message_chunk') }),
  z.object({ sessionUpdate: z.literal('agent_message_chunk'), ...chunk }),
  z.object({ sessionUpdate: z.literal('agent_thought_chunk'), ...chunk }),
  toolCall.extend({ sessionUpdate: z.literal('tool_call') }),
  toolCall.extend({ sessionUpdate: z.literal('tool_call_update') }),
  z.object({
    sessionUpdate: z.literal('plan'),
    entries: z.array(
      z.object({
        content: z.string(),
        status: z.enum(['pending', 'in_progress', 'completed']).catch('pending'),
      }),
    ),
  }),
  z.object({
    sessionUpdate: z.literal('usage_update'),
    used: z.number(),
    size: z.number(),
    cost: lenient(z.object({ amount: z.number(), currency: z.string() })),
  }),
  z.object({ sessionUpdate: z.literal('config_option_update'), configOptions }),
  z.object({ sessionUpdate: z.literal('current_mode_update'), currentModeId: z.string() }),
  z.object({ sessionUpdate: z.literal('available_commands_update') }),
])
export type Update = z.infer<typeof update>

const notification = z.object({ sessionId: z.string(), update: z.unknown() })

/** What an agent tells of a session; `update` is undefined for what we do not read. */
export function readNotification(
  params: unknown,
): { readonly sessionId: string; readonly update: Update | undefined } | undefined {
  const read = notification.safeParse(params)
  if (!read.success) return undefined
  return { sessionId: read.data.sessionId, update: update.safeParse(read.data.update).data }
}

/** Undefined for a request that cannot be shown to anybody. */
export function readPermissionRequest(params: unknown): PermissionRequest | undefined {
  return permissionRequest.safeParse(params).data
}

const initialized = z.object({
  protocolVersion: z.number(),
  agentInfo: lenient(
    z.object({ name: z.string(), title: z.string().nullish(), version: z.string().nullish() }),
  ),
  agentCapabilities: lenient(
    z.object({
      loadSession: lenient(z.boolean()),
      promptCapabilities: lenient(z.object({ image: lenient(z.boolean()) })),
      mcpCapabilities: lenient(z.object({ http: lenient(z.boolean()) })),
      sessionCapabilities: lenient(
        z.object({ list: z.unknown(), resume: z.unknown(), close: z.unknown() }).partial(),
      ),
    }),
  ),
})

/** What an agent can do, as it says when it starts. */
export interface Abilities {
  readonly version?: string
  readonly load: boolean
  readonly resume: boolean
  readonly close: boolean
  readonly list: boolean
  readonly pictures: boolean
  /** Does it reach tools over HTTP? All do over a program's stdio. */
  readonly httpTools: boolean
}

/** The version of the protocol that we speak. */
export const protocolVersion = 1

/** Agents name an ability by an object, by `true`, or not at all. */
function has(ability: unknown): boolean {
  return ability !== undefined && ability !== null && ability !== false
}

/** Undefined where the agent speaks another version, or something else altogether. */
export function readAbilities(result: unknown): Abilities | undefined {
  const read = initialized.safeParse(result).data
  if (read?.protocolVersion !== protocolVersion) return undefined
  const { agentCapabilities: can, agentInfo } = read
  const sessions = can?.sessionCapabilities
  return {
    ...(agentInfo?.version ? { version: agentInfo.version } : {}),
    load: can?.loadSession === true,
    resume: has(sessions?.resume),
    close: has(sessions?.close),
    list: has(sessions?.list),
    pictures: can?.promptCapabilities?.image === true,
    httpTools: can?.mcpCapabilities?.http === true,
  }
}

const opened = z.object({
  sessionId: z.string().optional(),
  modes: lenient(
    z.object({
      currentModeId: z.string(),
      availableModes: z.array(z.object({ id: z.string(), name: z.string().catch('') })),
    }),
  ),
  models: lenient(
    z.object({
      currentModelId: z.string(),
      availableModels: z.array(
        z.object({ modelId: z.string(), name: z.string(), description: z.string().nullish() }),
      ),
    }),
  ),
  configOptions: lenient(configOptions),
})
/** What an agent says of a session that was opened. */
export type Opened = z.infer<typeof opened>

export function readOpened(result: unknown): Opened {
  return opened.safeParse(result ?? {}).data ?? {}
}

export function readConfigOptions(result: unknown): readonly ConfigOption[] | undefined {
  return z.object({ configOptions }).safeParse(result).data?.configOptions
}

const prompted = z.object({
  stopReason: z.string(),
  usage: lenient(z.object({ inputTokens: lenient(z.number()), outputTokens: lenient(z.number()) })),
  _meta: lenient(
    z.object({
      quota: lenient(
        z.object({
          token_count: z.object({ input_tokens: z.number(), output_tokens: z.number() }),
        }),
      ),
    }),
  ),
})

/** How a prompt ended, and what it used as far as the agent says. */
export interface Prompted {
  readonly stopReason: string
  readonly inputTokens?: number
  readonly outputTokens?: number
}

export function readPrompted(result: unknown): Prompted | undefined {
  const read = prompted.safeParse(result).data
  if (read === undefined) return undefined
  const count = read._meta?.quota?.token_count
  const input = read.usage?.inputTokens ?? count?.input_tokens
  const output = read.usage?.outputTokens ?? count?.output_tokens
  return {
    stopReason: read.stopReason,
    ...(typeof input === 'number' ? { inputTokens: input } : {}),
    ...(typeof output === 'number' ? { outputTokens: output } : {}),
  }
}

const listed = z.object({
  sessions: z.array(
    z.object({
      sessionId: z.string(),
      cwd: z.string(),
      title: lenient(z.string()),
      updatedAt: lenient(z.string()),
    }),
  ),
  nextCursor: lenient(z.string()),
})

export function readListed(result: unknown): z.infer<typeof listed> | undefined {
  return listed.safeParse(result).data
}
