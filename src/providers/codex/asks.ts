import { z } from 'zod'
import type { Grant, PermissionAnswer, PermissionMode, Question, TurnEvent } from '../../core/provider.ts'
import { formOf } from './form.ts'
import { innerCommand } from './shell-words.ts'

/** Something that Codex waits for: what the person is shown, and what their answer is called in the protocol. */
export type Ask =
  | {
      readonly kind: 'permission'
      readonly event: Shown<'permission.requested'>
      result(answer: PermissionAnswer): object
    }
  | {
      readonly kind: 'question'
      readonly event: Shown<'question.asked'>
      result(answers: readonly (readonly string[])[]): object
    }

type Shown<Type extends TurnEvent['type']> = Omit<Extract<TurnEvent, { type: Type }>, 'id'>

/** What is known beside the request itself. */
export interface Around {
  /** The folder of the turn. */
  readonly cwd: string
  readonly mode: PermissionMode
  /** The diff of a file change, by the id of its item. */
  readonly diff: (itemId: string) => string | undefined
}

const file = z.object({
  read: z.array(z.string()).nullish(),
  write: z.array(z.string()).nullish(),
})
const extra = z.looseObject({
  network: z.object({ enabled: z.boolean().nullish() }).nullish(),
  fileSystem: z.looseObject(file.shape).nullish(),
})

const request = z.discriminatedUnion('method', [
  z.object({
    method: z.literal('item/commandExecution/requestApproval'),
    params: z.object({
      kind: z.string().nullish(),
      command: z.string().nullish(),
      cwd: z.string().nullish(),
      reason: z.string().nullish(),
      networkApprovalContext: z.object({ host: z.string(), protocol: z.string() }).nullish(),
      additionalPermissions: extra.nullish(),
    }),
  }),
  z.object({
    method: z.literal('item/fileChange/requestApproval'),
    params: z.object({
      itemId: z.string(),
      reason: z.string().nullish(),
      grantRoot: z.string().nullish(),
    }),
  }),
  z.object({
    method: z.literal('item/permissions/requestApproval'),
    params: z.object({ cwd: z.string(), reason: z.string().nullish(), permissions: extra }),
  }),
  z.object({
    method: z.literal('item/tool/requestUserInput'),
    params: z.object({
      questions: z.array(
        z.object({
          id: z.string(),
          question: z.string(),
          options: z.array(z.object({ label: z.string(), description: z.string() })).nullish(),
        }),
      ),
    }),
  }),
  z.object({
    method: z.literal('mcpServer/elicitation/request'),
    params: z.object({
      serverName: z.string(),
      mode: z.string(),
      message: z.string().nullish(),
      url: z.string().nullish(),
      requestedSchema: z.unknown().optional(),
      _meta: z
        .looseObject({
          codex_approval_kind: z.string().nullish(),
          tool_name: z.string().nullish(),
          tool_params: z.unknown().optional(),
          persist: z.union([z.string(), z.array(z.string())]).nullish(),
        })
        .nullish(),
    }),
  }),
])
type Request = z.infer<typeof request>
type Params<Method extends Request['method']> = Extract<Request, { method: Method }>['params']

/** Undefined for a request that no person can answer. */
export function askOf(method: string, params: unknown, around: Around): Ask | undefined {
  const parsed = request.safeParse({ method, params }).data
  switch (parsed?.method) {
    case 'item/commandExecution/requestApproval':
      return command(parsed.params, around)
    case 'item/fileChange/requestApproval':
      return changes(parsed.params, around)
    case 'item/permissions/requestApproval':
      return permissions(parsed.params)
    case 'item/tool/requestUserInput':
      return userInput(parsed.params)
    case 'mcpServer/elicitation/request':
      return parsed.params._meta?.codex_approval_kind === 'mcp_tool_call'
        ? mcpTool(parsed.params)
        : elicitation(parsed.params)
    case undefined:
      return undefined
  }
}

function command(params: Params<'item/commandExecution/requestApproval'>, around: Around): Ask | undefined {
  const { cwd } = around
  const { networkApprovalContext: network, additionalPermissions: more } = params
  const asked = params.command ?? undefined
  if (asked === undefined && !network) return undefined
  const lines = [
    ...(network ? [`# connect to ${network.host} (${network.protocol})`] : []),
    ...(asked === undefined ? [] : [innerCommand(asked)]),
    ...(params.cwd && params.cwd !== cwd ? [`# in ${params.cwd}`] : []),
    ...(more ? [comment(`with further rights: ${JSON.stringify(more)}`)] : []),
    ...(params.reason ? [comment(params.reason)] : []),
  ]
  const title =
    params.kind === 'writeStdin'
      ? 'Type into a running command'
      : network
        ? 'Connect to the network'
        : 'Run a command'
  const grant = grantOf(params, around)
  return {
    kind: 'permission',
    event: {
      type: 'permission.requested',
      title,
      detail: lines.join('\n'),
      language: 'sh',
      rememberable: true,
      ...(grant === undefined ? {} : { grant }),
    },
    result: decision,
  }
}

/**
 * Codex itself remembers a command by its exact words and folder. That, and nothing else, can be allowed again where its
 * process has forgotten it.
 */
function grantOf(
  params: Params<'item/commandExecution/requestApproval'>,
  { cwd, mode }: Around,
): Grant | undefined {
  const { kind, command: asked, networkApprovalContext: network, additionalPermissions: more } = params
  if (!asked || network || more || kind === 'writeStdin') return undefined
  const folder = params.cwd ?? cwd
  return { rule: JSON.stringify({ mode, command: asked, folder }), says: gistOf(innerCommand(asked)) }
}

function gistOf(text: string): string {
  return text.length > 80 ? `${text.slice(0, 79)}…` : text
}

function changes(params: Params<'item/fileChange/requestApproval'>, { diff }: Around): Ask {
  const detail = [
    ...(params.reason ? [params.reason] : []),
    ...(params.grantRoot ? [`Writing anywhere under ${params.grantRoot}, for the rest of the session.`] : []),
    diff(params.itemId) ?? 'Codex did not say which.',
  ]
  return {
    kind: 'permission',
    event: {
      type: 'permission.requested',
      title: 'Change files',
      detail: detail.join('\n'),
      language: 'diff',
      rememberable: true,
    },
    result: decision,
  }
}

function permissions(params: Params<'item/permissions/requestApproval'>): Ask {
  const detail = JSON.stringify({ ...params.permissions, folder: params.cwd, reason: params.reason }, null, 2)
  return {
    kind: 'permission',
    event: {
      type: 'permission.requested',
      title: 'Have further rights',
      detail,
      language: 'json',
      rememberable: true,
    },
    result: ({ allow, remember }) => ({
      permissions: allow ? params.permissions : {},
      scope: allow && remember === true ? 'session' : 'turn',
    }),
  }
}

function userInput({ questions }: Params<'item/tool/requestUserInput'>): Ask {
  return {
    kind: 'question',
    event: {
      type: 'question.asked',
      questions: questions.map(({ question, options }): Question => ({
        text: question,
        options: options ?? [],
        multiple: false,
      })),
    },
    result: (answers) => ({
      answers: Object.fromEntries(questions.map(({ id }, n) => [id, { answers: answers[n] ?? [] }])),
    }),
  }
}

function mcpTool({ serverName, _meta: meta }: Params<'mcpServer/elicitation/request'>): Ask {
  const rememberable = [meta?.persist].flat().includes('session')
  return {
    kind: 'permission',
    event: {
      type: 'permission.requested',
      title: `Use ${meta?.tool_name ?? 'a tool'} of ${serverName}`,
      detail: JSON.stringify(meta?.tool_params ?? {}, null, 2),
      language: 'json',
      rememberable,
    },
    result: ({ allow, remember }) => ({
      action: allow ? 'accept' : 'decline',
      content: allow ? {} : null,
      _meta: allow && remember === true && rememberable ? { persist: 'session' } : null,
    }),
  }
}

/** A form of an MCP server's, or a page that it wants opened. */
function elicitation(params: Params<'mcpServer/elicitation/request'>): Ask | undefined {
  const from = `${params.serverName}: ${params.message ?? ''}`.trim()
  if (params.mode === 'url' && params.url)
    return {
      kind: 'question',
      event: {
        type: 'question.asked',
        questions: [
          {
            text: `${from}\n${params.url}`,
            options: [{ label: 'Done' }, { label: 'Decline' }],
            multiple: false,
          },
        ],
      },
      result: (answers) => ({
        action: answers[0]?.[0] === 'Decline' ? 'decline' : 'accept',
        content: null,
        _meta: null,
      }),
    }
  const form = formOf(params.requestedSchema, from)
  if (form === undefined) return undefined
  return {
    kind: 'question',
    event: { type: 'question.asked', questions: form.questions },
    result(answers) {
      const content = form.content(answers)
      return { action: content === undefined ? 'decline' : 'accept', content: content ?? null, _meta: null }
    },
  }
}

function decision({ allow, remember }: PermissionAnswer): object {
  return { decision: allow ? (remember === true ? 'acceptForSession' : 'accept') : 'decline' }
}

function comment(text: string): string {
  return text
    .split('\n')
    .map((line) => `# ${line}`)
    .join('\n')
}
