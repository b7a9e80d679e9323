import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { InMemoryStore } from '../../../tests/contracts/in-memory.ts'
import { endOf, providerContract, textOf, type ProviderStage } from '../../../tests/contracts/provider.ts'
import { silentLog } from '../../../tests/support/stage.ts'
import type { Provider, Turn } from '../../core/provider.ts'
import { treeOf } from '../kill-tree.ts'
import definition from './index.ts'

const never = new AbortController().signal

async function stage(): Promise<ProviderStage> {
  const home = mkdtempSync(join(tmpdir(), 'ductor-demo-'))
  const before = new Set((await treeOf(process.pid)).map(({ pid }) => pid))
  const opened: Provider[] = []
  const env = { PATH: process.env['PATH'] ?? '' }
  const deps = { home, log: silentLog, memory: new InMemoryStore(), env }
  const provider = await definition.open({}, deps)
  return {
    open() {
      opened.push(provider)
      return provider
    },
    turn: (key, prompt, more = {}): Turn => ({
      id: randomUUID(),
      place: { key, transport: 'paper', chat: key },
      prompt,
      attachments: [],
      strand: '',
      cwd: home,
      permissionMode: 'ask',
      ...more,
    }),
    prompts: {
      say: (words) => `say: ${words}`,
      slow: () => 'slow: 100000',
      bash: (command) => `ask: ${command}`,
      history: () => 'history',
    },
    path: (name) => join(home, name),
    async processes() {
      return (await treeOf(process.pid)).map(({ pid }) => pid).filter((pid) => !before.has(pid))
    },
    async [Symbol.asyncDispose]() {
      for (const one of opened) await one.close?.()
      rmSync(home, { recursive: true, force: true })
    },
  }
}

providerContract('demo', stage, undefined, 'the demo agent runs nothing')

test('the demo agent says that it is no AI, and what to install', async () => {
  await using on = await stage()
  const events = await Array.fromAsync(on.open().run(on.turn('a', 'hello'), never))
  assert.match(textOf(events), /not an AI/)
  assert.match(textOf(events), /npm install -g @anthropic-ai\/claude-code/)
})

test('a demo agent that crashes ends its turn with what it said last, and the next turn works', async () => {
  await using on = await stage()
  const provider = on.open()
  const end = endOf(await Array.fromAsync(provider.run(on.turn('a', 'crash'), never)))
  assert.equal(end.stop, 'failed')
  assert.match(end.error ?? '', /exit code 3: the demo agent was asked to crash/)
  assert.equal(textOf(await Array.fromAsync(provider.run(on.turn('a', 'say: back'), never))), 'back')
})

test('leave is asked for, and the answer is heard', async () => {
  await using on = await stage()
  const provider = on.open()
  const turn = on.turn('a', 'ask: rm -rf ./build')
  const events = []
  for await (const event of provider.run(turn, never)) {
    events.push(event)
    if (event.type === 'permission.requested') provider.answer?.(turn.id, event.id, { allow: false })
  }
  assert.equal(textOf(events), 'Then not.')
})
