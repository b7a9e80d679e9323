import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'

const part = z.looseObject({ type: z.string(), text: z.string().optional(), content: z.unknown().optional() })
const body = z.object({
  model: z.string(),
  system: z.unknown().optional(),
  output_config: z.object({ effort: z.string().optional() }).optional(),
  messages: z.array(z.object({ role: z.string(), content: z.union([z.string(), z.array(part)]) })),
})
type Body = z.infer<typeof body>

const errorTypes: Readonly<Record<number, string>> = {
  401: 'authentication_error',
  429: 'rate_limit_error',
  529: 'overloaded_error',
}

export interface ModelServer extends AsyncDisposable {
  readonly url: string
  /** The last user texts of all calls, oldest first. */
  readonly heard: readonly string[]
}

/**
 * Anthropic's Messages API with a script for a model. The last line of the last user text directs it:
 * `say WORDS`, `tool bash COMMAND`, `use TOOL JSON`, `slow N` (a word every 20 ms), `error CODE`, `cut` (ends in
 * mid-answer), `hang`, `history` (counts the prompts it was sent), `pictures` (counts those of this prompt),
 * `knows WORDS` (was it told them in the system prompt?), `settings` (names its model and how hard it shall think).
 * After a tool's result it answers `result: …`, after background work `the background work has ended`; what was put into
 * a running turn directs it like a prompt.
 */
export async function startModelServer(): Promise<ModelServer> {
  const heard: string[] = []
  const server = createServer((request, response) => {
    answer(request, response, heard).catch((error: unknown) => {
      response.destroy(asError(error))
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the server has no port')
  return {
    url: `http://127.0.0.1:${address.port}`,
    heard,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

async function answer(request: IncomingMessage, response: ServerResponse, heard: string[]): Promise<void> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(Buffer.from(chunk))
  const path = (request.url ?? '').split('?')[0]
  if (path === '/v1/messages/count_tokens') return reply(response, 200, { input_tokens: 100 })
  if (path !== '/v1/messages') return reply(response, 404, { type: 'error' })
  const asked = body.parse(JSON.parse(Buffer.concat(chunks).toString('utf8')))
  const steered = put(asked)
  if (steered !== undefined) {
    heard.push(steered)
    return await direct(response, asked, steered)
  }
  if (reported(asked)) return await say(response, asked, ['the background work has ended'])
  const result = toolResult(asked)
  if (result !== undefined) return await say(response, asked, [`result: ${result}`])
  const text = prompts(asked).at(-1) ?? ''
  heard.push(text)
  await direct(response, asked, text)
}

async function direct(response: ServerResponse, asked: Body, text: string): Promise<void> {
  const line = text.trim().split('\n').at(-1) ?? ''
  const [, verb = '', rest = ''] = /^(\S+)\s*(.*)$/.exec(line) ?? []
  switch (verb) {
    case 'tool':
      return callTool(response, asked, 'Bash', {
        command: rest.replace(/^bash /, ''),
        description: 'scripted',
      })
    case 'use': {
      const [, name = '', input = '{}'] = /^(\S+)\s*(.*)$/.exec(rest) ?? []
      return callTool(response, asked, name, JSON.parse(input))
    }
    case 'slow':
      return await say(
        response,
        asked,
        Array.from({ length: Number(rest) }, (_, n) => `w${n} `),
        20,
      )
    case 'error':
      return reply(response, Number(rest), {
        type: 'error',
        error: { type: errorTypes[Number(rest)] ?? 'api_error', message: `scripted ${rest}` },
      })
    case 'cut':
      begin(response, asked)
      open(response, { type: 'text', text: '' })
      send(response, 'content_block_delta', { index: 0, delta: { type: 'text_delta', text: 'half of ' } })
      await sleep(50)
      return void response.destroy()
    case 'hang':
      return
    case 'history':
      return await say(response, asked, [`prompts: ${prompts(asked).length}`])
    case 'pictures':
      return await say(response, asked, [`pictures: ${pictures(asked)}`])
    case 'knows':
      return await say(response, asked, [JSON.stringify(asked.system ?? '').includes(rest) ? 'yes' : 'no'])
    case 'settings':
      return await say(response, asked, [`${asked.model} ${asked.output_config?.effort ?? 'as ever'}`])
    default:
      return await say(response, asked, verb === 'say' ? rest.split(/(?<= )/) : ['nothing to say'])
  }
}

/** The user's own texts: what Claude adds for the model is left out. */
function prompts({ messages }: Body): readonly string[] {
  return messages
    .filter(({ role }) => role === 'user')
    .flatMap(({ content }) =>
      typeof content === 'string' ? [content] : content.map(({ text = '' }) => text),
    )
    .filter((text) => text !== '' && !/^\s*(?:<system-reminder>|\[Image: )/.test(text))
}

/** What was put into the running turn: Claude tells the model in a message of the system. */
function put({ messages }: Body): string | undefined {
  const last = messages.at(-1)
  if (last?.role !== 'system' || typeof last.content === 'string') return undefined
  const [, text] =
    /^The user sent a new message while you were working:\n(.*)/.exec(last.content[0]?.text ?? '') ?? []
  return text
}

/** Is this call about background work that has ended, and nothing else? */
function reported({ messages }: Body): boolean {
  const content = messages.findLast(({ role }) => role === 'user')?.content
  return Array.isArray(content) && content.at(-1)?.text?.includes('<task-notification>') === true
}

function pictures({ messages }: Body): number {
  const content = messages.findLast(({ role }) => role === 'user')?.content
  return typeof content === 'string' ? 0 : (content ?? []).filter(({ type }) => type === 'image').length
}

function toolResult({ messages }: Body): string | undefined {
  const content = messages.findLast(({ role }) => role === 'user')?.content
  if (!Array.isArray(content)) return undefined
  const result = content.find(({ type }) => type === 'tool_result')
  if (result === undefined) return undefined
  // A prompt that comes with the result of an aborted tool is a prompt.
  const own = content.some(
    ({ type, text = '' }) =>
      type === 'text' && text !== '' && !text.trimStart().startsWith('<system-reminder>'),
  )
  if (own) return undefined
  return typeof result.content === 'string' ? result.content : JSON.stringify(result.content)
}

async function say(
  response: ServerResponse,
  asked: Body,
  words: readonly string[],
  pauseMs = 0,
): Promise<void> {
  begin(response, asked)
  open(response, { type: 'text', text: '' })
  for (const text of words) {
    if (response.destroyed) return
    send(response, 'content_block_delta', { index: 0, delta: { type: 'text_delta', text } })
    if (pauseMs > 0) await sleep(pauseMs)
  }
  close(response, 'end_turn', words.length)
}

function callTool(response: ServerResponse, asked: Body, name: string, input: object): void {
  begin(response, asked)
  open(response, { type: 'tool_use', id: `toolu_${randomUUID()}`, name, input: {} })
  const json = JSON.stringify(input)
  send(response, 'content_block_delta', { index: 0, delta: { type: 'input_json_delta', partial_json: json } })
  close(response, 'tool_use', 1)
}

function begin(response: ServerResponse, { model }: Body): void {
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  const usage = { input_tokens: 100, output_tokens: 1 }
  send(response, 'message_start', {
    message: {
      id: `msg_${randomUUID()}`,
      type: 'message',
      role: 'assistant',
      model,
      content: [],
      stop_reason: null,
      stop_sequence: null,
      usage,
    },
  })
}

function open(response: ServerResponse, block: object): void {
  send(response, 'content_block_start', { index: 0, content_block: block })
}

function close(response: ServerResponse, reason: string, tokens: number): void {
  send(response, 'content_block_stop', { index: 0 })
  send(response, 'message_delta', {
    delta: { stop_reason: reason, stop_sequence: null },
    usage: { output_tokens: tokens },
  })
  send(response, 'message_stop', {})
  response.end()
}

function send(response: ServerResponse, type: string, fields: object): void {
  response.write(`event: ${type}\ndata: ${JSON.stringify({ type, ...fields })}\n\n`)
}

function reply(response: ServerResponse, status: number, json: object): void {
  response.writeHead(status, { 'content-type': 'application/json' })
  response.end(JSON.stringify(json))
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error))
}
