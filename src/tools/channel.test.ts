import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { registerHooks } from 'node:module'
import { createInterface } from 'node:readline'
import { test, type TestContext } from 'node:test'
import { eventually } from '../../tests/support/eventually.ts'
import { place, silentLog } from '../../tests/support/stage.ts'
import type { ToolServer } from '../core/provider.ts'
import { UserError } from '../core/user-error.ts'
import { ToolChannel, type Caller } from './channel.ts'
import { channelVariables, type ToolCall } from './definitions.ts'

const caller: Caller = { agent: 'main', place, strand: '' }

async function channelOf(t: TestContext) {
  const calls: [Caller, ToolCall][] = []
  const channel = await ToolChannel.open({
    log: silentLog,
    async answer(from, call) {
      calls.push([from, call])
      if (call.tool === 'send_file' && call.input.path === 'secret')
        throw new UserError('It is out of reach.')
      return 'It goes into the chat.'
    },
  })
  t.after(() => channel.close())
  return { channel, calls }
}

/** Talks with the program as a CLI does: JSON-RPC, a line each. */
async function talk({ program }: Pick<ToolServer, 'program'>, ...calls: object[]): Promise<unknown[]> {
  const { command, env } = program
  const [file, ...args] = command
  const child = spawn(file, args, {
    env: { PATH: process.env['PATH'], ...env },
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const answers: unknown[] = []
  const say = (message: object) => child.stdin.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`)
  const hear = async () => JSON.parse((await lines.next()).value ?? '{}')
  say({
    id: 0,
    method: 'initialize',
    params: { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 'test', version: '1' } },
  })
  answers.push(await hear())
  say({ method: 'notifications/initialized' })
  for (const [index, call] of calls.entries()) {
    say({ id: index + 1, ...call })
    answers.push(await hear())
  }
  child.stdin.end()
  await new Promise((resolve) => child.once('close', resolve))
  return answers
}

const callOf = (name: string, args: object) => ({ method: 'tools/call', params: { name, arguments: args } })

test('a CLI finds the tools, and a call reaches the conversation that its program was made for', async (t) => {
  const { channel, calls } = await channelOf(t)
  const program = channel.serverFor(caller)
  assert.deepEqual(channel.serverFor(caller), program, 'the same for each turn')
  const [, tools, sent, refused] = (await talk(
    program,
    { method: 'tools/list', params: {} },
    callOf('send_file', { path: 'report.pdf' }),
    callOf('send_file', { path: 'secret' }),
  )) as { result: { tools?: { name: string }[]; content?: { text: string }[]; isError?: boolean } }[]
  assert.deepEqual(
    tools?.result.tools?.map(({ name }) => name),
    ['send_file', 'list_agents', 'ask_agent'],
  )
  assert.equal(sent?.result.content?.[0]?.text, 'It goes into the chat.')
  assert.equal(refused?.result.content?.[0]?.text, 'It is out of reach.')
  assert.equal(refused?.result.isError, true)
  assert.deepEqual(calls[0], [caller, { tool: 'send_file', input: { path: 'report.pdf' } }])
})

test('nobody is heard without a token, and the secret is in no argument', async (t) => {
  const { channel, calls } = await channelOf(t)
  const { url, token, program } = channel.serverFor(caller)
  assert.ok(token.length > 40)
  assert.ok(!program.command.join(' ').includes(token))
  for (const authorization of ['', 'Bearer x', `Bearer ${token}x`]) {
    const body = JSON.stringify({ tool: 'list_agents', input: {} })
    const response = await fetch(url, { method: 'POST', headers: { authorization }, body })
    assert.equal(response.status, 401)
  }
  assert.deepEqual(calls, [])
})

test('each conversation has a token of its own', async (t) => {
  const { channel } = await channelOf(t)
  const other = channel.serverFor({ ...caller, strand: 'docs' })
  assert.notEqual(other.token, channel.serverFor(caller).token)
})

test('a program whose ductor is gone says so to the agent', async (t) => {
  const { channel } = await channelOf(t)
  const program = channel.serverFor(caller)
  await channel.close()
  const [, answer] = (await talk(program, callOf('list_agents', {}))) as {
    result: { content: { text: string }[] }
  }[]
  assert.match(answer?.result.content[0]?.text ?? '', /does not answer any more/)
})

test('a CLI that speaks MCP over HTTP needs no program', async (t) => {
  const { channel, calls } = await channelOf(t)
  const { url, token } = channel.serverFor(caller)
  const ask = async (message: object) => {
    const response = await fetch(url, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${token}`,
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        'mcp-protocol-version': '2025-06-18',
      },
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, ...message }),
    })
    const text = await response.text()
    return JSON.parse(/^data: (.*)$/m.exec(text)?.[1] ?? text)
  }
  const greeted = await ask({
    method: 'initialize',
    params: { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 'test', version: '1' } },
  })
  assert.equal(greeted.result.serverInfo.name, 'ductor')
  const sent = await ask(callOf('send_file', { path: 'report.pdf' }))
  assert.equal(sent.result.content[0].text, 'It goes into the chat.')
  assert.deepEqual(calls[0], [caller, { tool: 'send_file', input: { path: 'report.pdf' } }])
})

test('a program waits for an answer for as long as it takes', async (t) => {
  const { channel } = await channelOf(t)
  const { program } = channel.serverFor(caller)
  const [node, ...args] = program.command
  // In this program a second is over after a millisecond: an answer after 1.5 s is one after 25 minutes.
  const hurry = `const { setTimeout: later } = globalThis
    globalThis.setTimeout = (act, ms, ...more) => later(act, ms / 1000, ...more)`
  const preload = ['--import', `data:text/javascript,${encodeURIComponent(hurry)}`]
  const slow = createServer((_, response) => {
    const answer = setTimeout(() => response.end(JSON.stringify({ text: 'at last', failed: false })), 1500)
    response.once('close', () => clearTimeout(answer))
  })
  slow.listen(0, '127.0.0.1')
  await once(slow, 'listening')
  t.after(() => slow.close())
  const address = slow.address()
  assert.ok(address !== null && typeof address === 'object')
  const env = { ...program.env, [channelVariables.url]: `http://127.0.0.1:${address.port}` }
  const [, answer] = (await talk(
    { program: { command: [node, ...preload, ...args], env } },
    callOf('ask_agent', { agent: 'coder', message: 'build it' }),
  )) as { result: { content: { text: string }[] } }[]
  assert.equal(answer?.result.content[0]?.text, 'at last')
})

test('a call that is too large is refused, also where it does not say how large it is', async (t) => {
  const { channel, calls } = await channelOf(t)
  const { program, token } = channel.serverFor(caller)
  const big = JSON.stringify({ tool: 'send_file', input: { path: 'x'.repeat(2_000_000) } })
  const headers = { authorization: `Bearer ${token}` }
  const whole = { method: 'POST', headers, body: big }
  const parts = { ...whole, body: new Blob([big]).stream(), duplex: 'half' as const }
  for (const init of [whole, parts]) {
    const response = await fetch(program.env[channelVariables.url] ?? '', init)
    assert.equal(response.status, 413)
  }
  assert.deepEqual(calls, [])
})

for (const way of ['program', 'mcp'] as const)
  test(`who has called (${way}) and is gone, as after /stop, waits for no answer any more`, async (t) => {
    const called = Promise.withResolvers<AbortSignal>()
    const channel = await ToolChannel.open({
      log: silentLog,
      answer: (_from, _call, signal) => {
        called.resolve(signal)
        return new Promise(() => {})
      },
    })
    t.after(() => channel.close())
    const { url, token, program } = channel.serverFor(caller)
    const input = { agent: 'coder', message: 'build it', wait: true }
    const gone = new AbortController()
    const asked = fetch(way === 'mcp' ? url : (program.env[channelVariables.url] ?? ''), {
      method: 'POST',
      signal: gone.signal,
      headers: {
        authorization: `Bearer ${token}`,
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        'mcp-protocol-version': '2025-06-18',
      },
      body: JSON.stringify(
        way === 'mcp'
          ? { jsonrpc: '2.0', id: 1, ...callOf('ask_agent', input) }
          : { tool: 'ask_agent', input },
      ),
    }).then((response) => response.text())
    const signal = await called.promise
    assert.ok(!signal.aborted)
    gone.abort()
    await assert.rejects(asked)
    await eventually(() => signal.aborted)
  })

test('a channel that once could not load what speaks MCP, in the middle of an upgrade perhaps, tries again', async (t) => {
  const { channel } = await channelOf(t)
  const { url, token } = channel.serverFor(caller)
  const ask = () =>
    fetch(url, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${token}`,
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        'mcp-protocol-version': '2025-06-18',
      },
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/list', params: {} }),
    })
  const missing = registerHooks({
    resolve(name, context, next) {
      if (name === './mcp-server.ts') throw new Error('it is not there just now')
      return next(name, context)
    },
  })
  await assert.rejects(ask())
  missing.deregister()
  assert.equal((await ask()).status, 200)
})
