import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { claudeStage, use } from '../src/providers/claude/stage.fake.ts'
import { stage as codexStage } from '../src/providers/codex/stage.fake.ts'
import type { Provider, ToolServer, Turn } from '../src/core/provider.ts'
import { ToolChannel, type Caller } from '../src/tools/channel.ts'
import type { ToolCall } from '../src/tools/definitions.ts'
import { textOf } from './contracts/provider.ts'
import { whyNoClaude } from './support/install-claude.ts'
import { whyNoCodex } from './support/install-codex.ts'
import { silentLog } from './support/stage.ts'

const caller: Caller = {
  agent: 'main',
  place: { key: 'tg:1', transport: 'telegram', chat: '1' },
  strand: '',
}
const [noClaude, noCodex] = [await whyNoClaude(), await whyNoCodex()]

async function channelOf(t: TestContext) {
  const calls: ToolCall[] = []
  const callers: string[] = []
  const channel = await ToolChannel.open({
    log: silentLog,
    async answer({ place }, call) {
      calls.push(call)
      callers.push(place.chat)
      return 'report.pdf goes into the chat.'
    },
  })
  t.after(() => channel.close())
  const toolsOf = (chat: string) =>
    channel.serverFor({ ...caller, place: { ...caller.place, key: chat, chat } })
  return { tools: channel.serverFor(caller), toolsOf, calls, callers }
}

/** The agent calls the tool, without anybody being asked, and is told the outcome. */
async function sends(provider: Provider, turn: (tools: ToolServer) => Turn, t: TestContext): Promise<void> {
  const { tools, calls } = await channelOf(t)
  const events = await Array.fromAsync(provider.run(turn(tools), new AbortController().signal))
  await provider.close?.()
  assert.deepEqual(calls, [{ tool: 'send_file', input: { path: 'report.pdf' } }])
  assert.match(textOf(events), /report\.pdf goes into the chat/)
  assert.ok(!events.some(({ type }) => type === 'permission.requested'))
}

test(
  'Claude Code sends a file into the chat with ductor’s own tool',
  { skip: noClaude ?? false },
  async (t) => {
    await using on = await claudeStage()
    const prompt = use('mcp__ductor__send_file', { path: 'report.pdf' })
    await sends(on.open(), (tools) => on.turn('a', prompt, { tools }), t)
  },
)

test('Codex sends a file into the chat with ductor’s own tool', { skip: noCodex ?? false }, async (t) => {
  await using on = await codexStage()
  const prompt = 'call mcp__ductor/send_file {"path":"report.pdf"}'
  await sends(on.open(), (tools) => on.turn('a', prompt, { tools }), t)
})

/** A session that goes on in another chat has the tools of that chat, and comes back with those of the first. */
async function moves(
  provider: Provider,
  turn: (chat: string, more: Partial<Turn>) => Turn,
  t: TestContext,
): Promise<void> {
  const { toolsOf, callers } = await channelOf(t)
  const go = async (chat: string, resume?: string) => {
    const more = { tools: toolsOf(chat), ...(resume === undefined ? {} : { resume }) }
    const events = await Array.fromAsync(provider.run(turn(chat, more), new AbortController().signal))
    const started = events.findLast((event) => event.type === 'session.started')
    assert.ok(started?.type === 'session.started')
    return started.sessionId
  }
  const session = await go('a')
  await go('a', session)
  await go('b', await go('b', session))
  await go('a', session)
  await provider.close?.()
  assert.deepEqual(callers, ['a', 'a', 'b', 'b', 'a'])
}

test(
  'a session of Claude Code that goes on in another chat sends its files there',
  { skip: noClaude ?? false },
  async (t) => {
    await using on = await claudeStage()
    const prompt = use('mcp__ductor__send_file', { path: 'report.pdf' })
    await moves(on.open(), (chat, more) => on.turn(chat, prompt, more), t)
  },
)

test(
  'a session of Codex that goes on in another chat sends its files there',
  { skip: noCodex ?? false },
  async (t) => {
    await using on = await codexStage()
    const prompt = 'call mcp__ductor/send_file {"path":"report.pdf"}'
    await moves(on.open(), (chat, more) => on.turn(chat, prompt, more), t)
  },
)
