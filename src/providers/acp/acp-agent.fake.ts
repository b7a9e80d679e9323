// An agent that speaks the protocol, on the agent's side of the official SDK. The last line of a prompt directs it.
// While there is a file `busy` in its folder, it takes up no session.
// Run with: node acp-agent.fake.ts FOLDER ABILITY-THAT-IT-LACKS …
import {
  agent,
  ndJsonStream,
  RequestError,
  type AgentContext,
  type PermissionOption,
  type SessionUpdate,
  type ToolCallUpdate,
} from '@agentclientprotocol/sdk'
import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { appendFileSync, existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { Readable, Writable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'

const [, , folder = '.', ...without] = process.argv
const missing = new Set(without)
const can = (ability: string) => !missing.has(ability)

interface Session {
  readonly id: string
  readonly cwd: string
  /** The environments of its MCP servers, as they were told when it was opened. */
  readonly servers: unknown
  cancelled: AbortController
  mode: string
  model: string
  effort: string
  allowed: boolean
}
const sessions = new Map<string, Session>()

const file = (id: string) => join(folder, `${id.replaceAll(/[^\w-]/g, '')}.jsonl`)
const historyOf = (id: string): readonly { readonly cwd: string; readonly text: string }[] =>
  readFileSync(file(id), 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line))

const app = agent({ name: 'fake' })
  .onRequest('initialize', () => ({
    protocolVersion: 1,
    agentInfo: { name: 'fake', version: '1.2.3' },
    agentCapabilities: {
      loadSession: can('load'),
      promptCapabilities: { image: can('pictures') },
      sessionCapabilities: {
        ...(can('list') ? { list: {} } : {}),
        ...(can('close') ? { close: {} } : {}),
        ...(can('resume') ? { resume: {} } : {}),
      },
    },
  }))
  .onRequest('session/new', async ({ params: { cwd, mcpServers } }) => {
    if (!can('new')) await new Promise(() => {})
    if (!can('login')) throw RequestError.authRequired()
    const id = randomUUID()
    appendFileSync(file(id), '')
    return { sessionId: id, ...offers(open(id, cwd, mcpServers)) }
  })
  .onRequest('session/load', async ({ params: { sessionId, cwd, mcpServers }, client }) => {
    if (!existsSync(file(sessionId))) throw RequestError.resourceNotFound(sessionId)
    if (existsSync(join(folder, 'busy'))) throw RequestError.internalError()
    for (const { text } of historyOf(sessionId)) {
      await tell(client, sessionId, { sessionUpdate: 'user_message_chunk', content: { type: 'text', text } })
      await say(client, sessionId, `old answer to ${text}`)
    }
    return offers(open(sessionId, cwd, mcpServers))
  })
  .onRequest('session/resume', ({ params: { sessionId, cwd, mcpServers } }) => {
    if (!existsSync(file(sessionId))) throw RequestError.resourceNotFound(sessionId)
    if (existsSync(join(folder, 'busy'))) throw RequestError.internalError()
    return offers(open(sessionId, cwd, mcpServers))
  })
  .onRequest('session/list', () => ({
    sessions: readdirSync(folder)
      .filter((name) => name.endsWith('.jsonl'))
      .flatMap((name) => {
        const id = name.replace('.jsonl', '')
        const [first] = historyOf(id)
        const updatedAt = statSync(file(id)).mtime.toISOString()
        return first === undefined ? [] : [{ sessionId: id, cwd: first.cwd, title: first.text, updatedAt }]
      }),
  }))
  .onRequest('session/close', ({ params: { sessionId } }) => {
    sessions.delete(sessionId)
  })
  .onRequest('session/set_mode', async ({ params: { sessionId, modeId }, client }) => {
    of(sessionId).mode = modeId
    // As Gemini does.
    await say(client, sessionId, `[MODE_UPDATE] ${modeId}`)
  })
  .onRequest('session/set_config_option', async ({ params }) => {
    if (params.value === 'never') await new Promise(() => {})
    const session = of(params.sessionId)
    const value = String(params.value)
    if (value === 'nonsense') throw RequestError.invalidParams()
    if (params.configId === 'model') session.model = value
    else session.effort = value
    return { configOptions: optionsOf(session) }
  })
  .onNotification('session/cancel', ({ params: { sessionId } }) => sessions.get(sessionId)?.cancelled.abort())
  .onRequest('session/prompt', async ({ params: { sessionId, prompt }, client }) => {
    const session = of(sessionId)
    session.cancelled = new AbortController()
    const texts = prompt.flatMap((block) => (block.type === 'text' ? [block.text] : []))
    const text = texts.at(-1) ?? ''
    appendFileSync(file(sessionId), `${JSON.stringify({ cwd: session.cwd, text })}\n`)
    const blocks = prompt.map((block) => (block.type === 'image' ? block.mimeType : block.type))
    const stopReason = await perform(client, session, text.split('\n').at(-1) ?? '', blocks, texts)
    return { stopReason: session.cancelled.signal.aborted ? ('cancelled' as const) : stopReason }
  })

async function perform(
  client: AgentContext,
  session: Session,
  line: string,
  blocks: readonly string[],
  texts: readonly string[],
): Promise<'end_turn' | 'refusal' | 'max_tokens'> {
  const { id, cancelled } = session
  const [, verb = '', rest = ''] = /^(\S+)\s*(.*)$/.exec(line) ?? []
  switch (verb) {
    case 'say':
      for (const word of rest.split(/(?<= )/)) await say(client, id, word)
      break
    case 'slow':
      for (let n = 0; n < Number(rest) && !cancelled.signal.aborted; n += 1) {
        await say(client, id, `w${n} `)
        await sleep(20)
      }
      break
    case 'tool':
      await useShell(client, session, rest.replace(/^bash /, ''))
      break
    case 'write':
      await askToWrite(client, session, rest)
      break
    case 'history':
      await say(client, id, `prompts: ${historyOf(id).length}`)
      break
    case 'settings':
      await say(client, id, `${session.model} ${session.mode} ${session.effort}`)
      break
    case 'servers':
      await say(client, id, JSON.stringify(session.servers))
      break
    case 'pictures':
      await say(client, id, `pictures: ${blocks.filter((type) => type.startsWith('image/')).length}`)
      break
    case 'background': {
      if (!(await allowed(client, session, { toolCallId: randomUUID(), title: rest, kind: 'execute' }))) break
      const shell = spawn('sh', ['-c', rest], { cwd: session.cwd, stdio: 'ignore' })
      shell.once('exit', () => void say(client, id, 'it is done'))
      await say(client, id, 'begun')
      break
    }
    case 'blocks':
      await say(client, id, blocks.join(' '))
      break
    case 'texts':
      await say(client, id, texts.slice(0, -1).join('; '))
      break
    case 'question': {
      const [question = '', ...choices] = rest.split('|')
      const answer = await client.request('elicitation/create', {
        mode: 'form',
        sessionId: id,
        message: question,
        requestedSchema: { type: 'object', properties: { answer: { type: 'string', enum: choices } } },
      })
      await say(client, id, JSON.stringify(answer))
      break
    }
    case 'form': {
      const oneOf = [
        { const: '#f00', title: 'Red' },
        { const: '#00f', title: 'Blue' },
      ]
      const answer = await client.request('elicitation/create', {
        mode: 'form',
        sessionId: id,
        message: 'Some things',
        requestedSchema: {
          type: 'object',
          properties: {
            colour: { type: 'string', title: 'Colour', oneOf },
            sizes: { type: 'array', title: 'Sizes', items: { type: 'string', enum: ['s', 'm'] } },
            count: { type: 'integer', title: 'How many' },
            sure: { type: 'boolean', title: 'Sure?' },
          },
        },
      })
      await say(client, id, JSON.stringify(answer))
      break
    }
    case 'plan': {
      const entries = rest
        .split(', ')
        .map((content) => ({ content, priority: 'low' as const, status: 'pending' as const }))
      await tell(client, id, { sessionUpdate: 'plan', entries })
      break
    }
    case 'spend':
      await tell(client, id, {
        sessionUpdate: 'usage_update',
        used: 1000,
        size: 200_000,
        cost: { amount: Number(rest), currency: 'USD' },
      })
      break
    case 'retell':
      await retell(client, id, rest)
      break
    case 'read':
      await say(
        client,
        id,
        await answerTo(client, 'fs/read_text_file', { sessionId: id, path: '/etc/hosts' }),
      )
      break
    case 'error':
      throw new RequestError(Number(rest), `scripted ${rest}`)
    case 'deaf':
      await say(client, id, 'working ')
      return await new Promise(() => {})
    case 'silent':
      await once(cancelled.signal, 'abort')
      break
    case 'stop':
      return rest === 'refusal' || rest === 'max_tokens' ? rest : 'end_turn'
    case 'raw':
      process.stdout.write(Buffer.from(rest, 'base64'))
      await sleep(50)
      break
    case 'endless-line':
      for (let mb = 0; mb < Number(rest); mb += 1)
        if (!process.stdout.write('x'.repeat(1e6))) await once(process.stdout, 'drain')
      process.stdout.write('\n')
      break
    case 'endless':
      while (!cancelled.signal.aborted) await say(client, id, 'x'.repeat(256 * 1024))
      break
    case 'crash':
      process.stderr.write('the fake agent was asked to crash\n')
      process.exit(Number(rest))
    // oxlint-disable-next-line no-fallthrough -- the process has ended above
    default:
      await say(client, id, 'nothing to say')
  }
  return 'end_turn'
}

async function useShell(client: AgentContext, session: Session, command: string): Promise<void> {
  const tool = { toolCallId: randomUUID(), title: command, kind: 'execute' as const, rawInput: { command } }
  if (!(await allowed(client, session, tool))) return
  // A session of its own, as the real ones do.
  const shell = spawn('sh', ['-c', command], { cwd: session.cwd, detached: true, stdio: 'ignore' })
  const ended = once(shell, 'exit')
  const stop = () => {
    // As Codex does it: the turn ends, and the tool lives on.
    if (can('kill')) process.kill(-(shell.pid ?? 0), 'SIGKILL')
  }
  session.cancelled.signal.addEventListener('abort', stop)
  await Promise.race([ended, once(session.cancelled.signal, 'abort')])
  await tell(client, session.id, {
    sessionUpdate: 'tool_call_update',
    toolCallId: tool.toolCallId,
    status: 'completed',
  })
}

async function askToWrite(client: AgentContext, session: Session, path: string): Promise<void> {
  const content = [{ type: 'diff' as const, path, oldText: 'one\ntwo\n', newText: 'one\nthree\n' }]
  const tool = { toolCallId: randomUUID(), title: `Writing to ${path}`, kind: 'edit' as const, content }
  if (await allowed(client, session, tool)) await say(client, session.id, 'written')
}

async function allowed(client: AgentContext, session: Session, tool: ToolCallUpdate): Promise<boolean> {
  // As Gemini does it: no word of the tool before the request.
  if (session.allowed) return true
  const options: PermissionOption[] = [
    { optionId: 'ever', kind: 'allow_always', name: 'Allow for all future sessions' },
    { optionId: 'session', kind: 'allow_always', name: 'Allow for this session' },
    { optionId: 'once', kind: 'allow_once', name: 'Allow' },
    { optionId: 'no', kind: 'reject_once', name: 'Reject' },
  ]
  const { outcome } = await client.request('session/request_permission', {
    sessionId: session.id,
    toolCall: { ...tool, status: 'pending' },
    options: options.filter(({ optionId }) => can(optionId)),
  })
  const chosen = outcome.outcome === 'selected' ? outcome.optionId : 'cancelled'
  session.allowed = chosen === 'session'
  appendFileSync(join(folder, 'chosen.txt'), `${chosen}\n`)
  return chosen === 'once' || chosen === 'session'
}

/** The message breaks off and is told again from its start, without a word about it. */
async function retell(client: AgentContext, id: string, text: string): Promise<void> {
  const messageId = randomUUID()
  const chunk = (part: string) =>
    tell(client, id, {
      sessionUpdate: 'agent_message_chunk',
      messageId,
      content: { type: 'text', text: part },
    })
  const words = text.split(/(?<= )/)
  for (const word of words.slice(0, -1)) await chunk(word)
  await sleep(1100)
  for (const word of words) await chunk(word)
}

async function answerTo(client: AgentContext, method: string, params: object): Promise<string> {
  try {
    await client.request(method, params)
    return 'answered'
  } catch (error) {
    return error instanceof RequestError ? `refused with ${error.code}` : 'broken'
  }
}

function say(client: AgentContext, id: string, text: string): Promise<void> {
  return tell(client, id, { sessionUpdate: 'agent_message_chunk', content: { type: 'text', text } })
}

function tell(client: AgentContext, sessionId: string, update: SessionUpdate): Promise<void> {
  return client.notify('session/update', { sessionId, update })
}

function of(id: string): Session {
  const session = sessions.get(id)
  if (session === undefined) throw RequestError.resourceNotFound(id)
  return session
}

function open(id: string, cwd: string, servers: unknown): Session {
  const cancelled = new AbortController()
  const session = {
    id,
    cwd,
    servers,
    cancelled,
    mode: 'default',
    model: 'small',
    effort: 'low',
    allowed: false,
  }
  sessions.set(id, session)
  return session
}

function offers(session: Session) {
  const modes = ['default', 'acceptEdits', 'plan', 'bypassPermissions'].map((id) => ({ id, name: id }))
  return {
    ...(can('modes') ? { modes: { currentModeId: session.mode, availableModes: modes } } : {}),
    configOptions: optionsOf(session),
  }
}

function optionsOf({ model, effort }: Session) {
  const select = (id: string, category: string, currentValue: string, values: readonly string[]) => ({
    id,
    name: id,
    category,
    type: 'select' as const,
    currentValue,
    options: values.map((value) => ({ value, name: value })),
  })
  return [
    select('model', 'model', model, ['small', 'large']),
    ...(model === 'large' ? [select('effort', 'thought_level', effort, ['low', 'high'])] : []),
  ]
}

if (!missing.has('start'))
  app.connect(ndJsonStream(Writable.toWeb(process.stdout), Readable.toWeb(process.stdin)))
else process.exit(2)
process.stdin.on('end', () => process.exit(0))
