import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { InMemoryStore } from '../../../tests/contracts/in-memory.ts'
import { endOf, providerContract, textOf, type ProviderStage } from '../../../tests/contracts/provider.ts'
import { claudeBinary, claudeEnv, whyNoClaude } from '../../../tests/support/install-claude.ts'
import { startModelServer } from '../../../tests/support/model-server.ts'
import { treeOf } from '../kill-tree.ts'
import claude from './index.ts'
import { ClaudeProvider } from './provider.ts'

const skip = await whyNoClaude()
const log = { debug() {}, info() {}, warn() {}, error() {} }

providerContract('claude', stage, skip)

for (const [code, words] of [
  [401, /not signed in/],
  [429, /usage limit/],
  [529, /overloaded/],
] as const)
  test(`an error ${code} of the vendor says what to do`, skip === undefined ? {} : { skip }, async () => {
    await using on = await stage()
    const provider = on.open()
    try {
      const turn = on.turn('a', `error ${code}`)
      const end = endOf(await Array.fromAsync(provider.run(turn, new AbortController().signal)))
      assert.equal(end.stop, 'failed')
      assert.match(end.error ?? '', words)
    } finally {
      await provider.close?.()
    }
  })

test(
  'a session that Claude has lost begins anew, with a notice',
  skip === undefined ? {} : { skip },
  async () => {
    await using on = await stage()
    const provider = on.open()
    try {
      const turn = on.turn('a', 'say hello', { resume: randomUUID() })
      const events = await Array.fromAsync(provider.run(turn, new AbortController().signal))
      assert.equal(textOf(events), 'hello')
      assert.equal(events.filter(({ type }) => type === 'notice').length, 1)
      assert.equal(endOf(events).stop, 'end_turn')
    } finally {
      await provider.close?.()
    }
  },
)

test('doctor learns the version and that a key is there', skip === undefined ? {} : { skip }, async () => {
  await using on = await stage()
  const health = await on.open().check?.(new AbortController().signal)
  assert.equal(health?.installed, true)
  assert.match(health?.version ?? '', /^2\.1\./)
  assert.equal(health?.signedIn, true)
})

function use(tool: string, input: object): string {
  return `use ${tool} ${JSON.stringify(input)}`
}

function questionInput(question: string, labels: readonly string[]): object {
  const options = labels.map((label) => ({ label, description: `the ${label} one` }))
  return { questions: [{ question, header: 'Question', options, multiSelect: false }] }
}

async function stage(): Promise<ProviderStage> {
  const home = await mkdtemp(join(tmpdir(), 'ductor-claude-'))
  const cwd = join(home, 'work')
  await mkdir(cwd)
  const model = await startModelServer()
  const settings = claude.config.parse({ command: [claudeBinary] })
  const deps = { home, log, memory: new InMemoryStore(), env: claudeEnv(home, model.url) }
  return {
    open() {
      const provider = claude.open(settings, deps)
      assert.ok(provider instanceof ClaudeProvider)
      return provider
    },
    turn: (key, prompt, more) => ({
      id: randomUUID(),
      place: { key, transport: 'test', chat: key },
      prompt,
      attachments: [],
      strand: '',
      cwd,
      permissionMode: 'ask',
      ...more,
    }),
    prompts: {
      say: (words) => `say ${words}`,
      slow: () => 'slow 10000',
      bash: (command) => `tool bash ${command}`,
      history: () => 'history',
      question: (text, options) => use('AskUserQuestion', questionInput(text, options)),
      background: (command) => use('Bash', { command, description: 'work', run_in_background: true }),
      pictures: () => 'pictures',
    },
    path: (name) => join(cwd, name),
    processes: async () =>
      (await treeOf(process.pid)).map(({ pid }) => pid).filter((pid) => pid !== process.pid),
    async [Symbol.asyncDispose]() {
      await model[Symbol.asyncDispose]()
      await rm(home, { recursive: true, force: true, maxRetries: 5 })
    },
  }
}
