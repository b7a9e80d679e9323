import { randomUUID } from 'node:crypto'
import type { ServerResponse } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import { replyJson, startScriptedServer } from './scripted-server.ts'

const content = z.array(z.looseObject({ type: z.string(), text: z.string().optional() }))
const body = z.looseObject({
  model: z.string(),
  reasoning: z.looseObject({ effort: z.string().nullish() }).nullish(),
  tools: z.array(z.looseObject({ name: z.string().optional() })).optional(),
  input: z.array(
    z.looseObject({
      type: z.string().optional(),
      role: z.string().optional(),
      content: z.union([z.string(), content]).optional(),
      output: z.unknown().optional(),
    }),
  ),
})
type Body = z.infer<typeof body>

export interface ResponsesServer extends AsyncDisposable {
  /** With `/v1`, as the CLI's `base_url` takes it. */
  readonly url: string
  /** The bodies of all calls, oldest first. */
  readonly calls: readonly Body[]
}

/**
 * OpenAI's Responses API with a script for a model. The last line of the last prompt directs it: `say WORDS`,
 * `tool bash COMMAND`, `call NAME JSON` (any function, `SPACE/NAME` for one of a namespace), `patch PATH WORDS` (adds a
 * file), `plan WORDS`, `think WORDS`, `slow N` (a word every 20 ms), `error CODE [JSON]`, `flaky CODE` (once), `cut`
 * (ends in mid-answer), `hang`, `history` (counts the prompts it was sent), `model`, `effort`, `pictures`. After a
 * tool's result it answers `result: …`. `limits WORDS` says them under headers that tell of a rate limit.
 */
export async function startResponsesServer(): Promise<ResponsesServer> {
  const calls: Body[] = []
  const server = await startScriptedServer(async (request, text, response) => {
    // Codex tries a WebSocket first.
    if (request.headers.upgrade !== undefined) return replyJson(response, 426, {})
    if ((request.url ?? '').split('?')[0] !== '/v1/responses' || request.method !== 'POST')
      return replyJson(response, 404, { error: { message: 'no such path' } })
    const asked = body.parse(JSON.parse(text))
    calls.push(asked)
    const result = toolResult(asked)
    if (result !== undefined) return await say(response, asked, [`result: ${result}`])
    await direct(response, asked, prompts(asked).at(-1) ?? '', calls.length)
  })
  return { ...server, url: `${server.url}/v1`, calls }
}

async function direct(response: ServerResponse, asked: Body, text: string, call: number): Promise<void> {
  const line = text.trim().split('\n').at(-1) ?? ''
  const [, verb = '', rest = ''] = /^(\S+)\s*(.*)$/.exec(line) ?? []
  const [first = '', ...others] = rest.split(' ')
  switch (verb) {
    case 'say':
      return await say(response, asked, rest.split(/(?<= )/))
    case 'tool':
      return callTool(response, asked, 'exec_command', { cmd: rest.replace(/^bash /, '') })
    case 'call':
      return callTool(response, asked, first, JSON.parse(others.join(' ')))
    case 'patch':
      return patch(response, asked, first, others.join(' '))
    case 'plan':
      return await say(response, asked, [`<proposed_plan>\n${rest}\n</proposed_plan>`])
    case 'think':
      return await say(response, asked, ['thought'], 0, rest)
    case 'slow':
      return await say(
        response,
        asked,
        Array.from({ length: Number(rest) }, (_, n) => `w${n} `),
        20,
      )
    case 'limits':
      return await say(response, asked, [rest], 0, undefined, limitHeaders())
    case 'error':
      return fail(response, Number(first), others.join(' '))
    case 'flaky':
      return call === 1 ? fail(response, Number(first), '') : await say(response, asked, ['at last'])
    case 'cut':
      begin(response, asked)
      open(response, 'half of ')
      await sleep(50)
      return void response.destroy()
    case 'hang':
      return
    case 'history':
      return await say(response, asked, [`prompts: ${prompts(asked).length}`])
    case 'model':
      return await say(response, asked, [`model: ${asked.model}`])
    case 'effort':
      return await say(response, asked, [`effort: ${asked.reasoning?.effort ?? 'none'}`])
    case 'pictures':
      return await say(response, asked, [`pictures: ${pictures(asked)}`])
    default:
      return await say(response, asked, ['nothing to say'])
  }
}

/** The user's own texts: what Codex adds for the model is left out. */
function prompts({ input }: Body): readonly string[] {
  return input
    .filter(({ role }) => role === 'user')
    .flatMap(({ content: parts = [] }) =>
      typeof parts === 'string' ? [parts] : parts.map(({ text = '' }) => text),
    )
    .filter((text) => text !== '' && !/^\s*(<|# AGENTS)/.test(text))
}

function pictures({ input }: Body): number {
  return input.flatMap(({ content: parts = [] }) =>
    typeof parts === 'string' ? [] : parts.filter(({ type }) => type === 'input_image'),
  ).length
}

function toolResult({ input }: Body): string | undefined {
  const last = input.findLast(({ type, role }) => role === 'user' || type?.endsWith('_output') === true)
  if (last?.type?.endsWith('_output') !== true) return undefined
  return typeof last.output === 'string' ? last.output : JSON.stringify(last.output)
}

async function say(
  response: ServerResponse,
  asked: Body,
  words: readonly string[],
  pauseMs = 0,
  thought?: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<void> {
  begin(response, asked, headers)
  if (thought !== undefined) think(response, thought)
  const id = open(response)
  for (const delta of words) {
    if (response.destroyed) return
    send(response, 'response.output_text.delta', { item_id: id, output_index: 0, content_index: 0, delta })
    if (pauseMs > 0) await sleep(pauseMs)
  }
  const parts = [{ type: 'output_text', text: words.join(''), annotations: [] }]
  const item = { id, type: 'message', role: 'assistant', status: 'completed', content: parts }
  send(response, 'response.output_item.done', { output_index: 0, item })
  complete(response, words.length)
}

function think(response: ServerResponse, text: string): void {
  const id = `rs_${randomUUID()}`
  const at = { item_id: id, output_index: 0, summary_index: 0 }
  const part = { type: 'summary_text', text }
  send(response, 'response.output_item.added', {
    output_index: 0,
    item: { id, type: 'reasoning', summary: [] },
  })
  send(response, 'response.reasoning_summary_part.added', { ...at, part: { type: 'summary_text', text: '' } })
  send(response, 'response.reasoning_summary_text.delta', { ...at, delta: text })
  send(response, 'response.reasoning_summary_text.done', { ...at, text })
  send(response, 'response.reasoning_summary_part.done', { ...at, part })
  send(response, 'response.output_item.done', {
    output_index: 0,
    item: { id, type: 'reasoning', summary: [part], encrypted_content: 'c2NyaXB0' },
  })
}

function callTool(response: ServerResponse, asked: Body, name: string, input: unknown): void {
  begin(response, asked)
  const json = JSON.stringify(input)
  const [namespace, own] = name.includes('/') ? name.split('/') : [undefined, name]
  const item = {
    id: `fc_${randomUUID()}`,
    type: 'function_call',
    call_id: `call_${randomUUID()}`,
    name: own,
    ...(namespace === undefined ? {} : { namespace }),
  }
  send(response, 'response.output_item.added', {
    output_index: 0,
    item: { ...item, status: 'in_progress', arguments: '' },
  })
  send(response, 'response.function_call_arguments.done', {
    item_id: item.id,
    output_index: 0,
    arguments: json,
  })
  send(response, 'response.output_item.done', {
    output_index: 0,
    item: { ...item, status: 'completed', arguments: json },
  })
  complete(response, 1)
}

function patch(response: ServerResponse, asked: Body, path: string, words: string): void {
  begin(response, asked)
  const input = `*** Begin Patch\n*** Add File: ${path}\n+${words}\n*** End Patch\n`
  const item = {
    id: `ct_${randomUUID()}`,
    type: 'custom_tool_call',
    call_id: `call_${randomUUID()}`,
    name: 'apply_patch',
  }
  send(response, 'response.output_item.added', {
    output_index: 0,
    item: { ...item, status: 'in_progress', input: '' },
  })
  send(response, 'response.output_item.done', {
    output_index: 0,
    item: { ...item, status: 'completed', input },
  })
  complete(response, 1)
}

function begin(
  response: ServerResponse,
  { model }: Body,
  headers: Readonly<Record<string, string>> = {},
): void {
  response.writeHead(200, { 'content-type': 'text/event-stream', ...headers })
  send(response, 'response.created', {
    response: { id: `resp_${randomUUID()}`, object: 'response', model, status: 'in_progress', output: [] },
  })
}

function open(response: ServerResponse, words?: string): string {
  const id = `msg_${randomUUID()}`
  const item = { id, type: 'message', role: 'assistant', status: 'in_progress', content: [] }
  send(response, 'response.output_item.added', { output_index: 0, item })
  if (words !== undefined)
    send(response, 'response.output_text.delta', {
      item_id: id,
      output_index: 0,
      content_index: 0,
      delta: words,
    })
  return id
}

function complete(response: ServerResponse, tokens: number): void {
  const usage = {
    input_tokens: 100,
    input_tokens_details: { cached_tokens: 0 },
    output_tokens: tokens,
    output_tokens_details: { reasoning_tokens: 0 },
    total_tokens: 100 + tokens,
  }
  send(response, 'response.completed', {
    response: { id: `resp_${randomUUID()}`, object: 'response', status: 'completed', output: [], usage },
  })
  response.end()
}

function limitHeaders(): Readonly<Record<string, string>> {
  return {
    'x-codex-primary-used-percent': '95',
    'x-codex-primary-window-minutes': '300',
    'x-codex-primary-reset-at': String(Math.round(Date.now() / 1000) + 3600),
  }
}

function fail(response: ServerResponse, status: number, more: string): void {
  const error = more === '' ? {} : z.looseObject({}).parse(JSON.parse(more))
  replyJson(response, status, {
    error: { type: 'scripted', message: `scripted ${status}`, code: null, ...error },
  })
}

function send(response: ServerResponse, type: string, fields: object): void {
  response.write(`event: ${type}\ndata: ${JSON.stringify({ type, ...fields })}\n\n`)
}
