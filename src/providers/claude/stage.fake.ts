import { randomUUID } from 'node:crypto'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { InMemoryStore } from '../../../tests/contracts/in-memory.ts'
import type { ProviderStage } from '../../../tests/contracts/provider.ts'
import { claudeBinary, claudeEnv } from '../../../tests/support/install-claude.ts'
import { startModelServer } from '../../../tests/support/model-server.ts'
import { silentLog } from '../../../tests/support/stage.ts'
import { treeOf } from '../kill-tree.ts'
import { ClaudeProvider } from './provider.ts'

export interface ClaudeStage extends ProviderStage {
  readonly cwd: string
  /** The whole environment of its Claude. */
  readonly env: Readonly<Record<string, string>>
  open(): ClaudeProvider
}

/** The real Claude Code with a scripted model behind it. `without`: variables that it shall not have. */
export async function claudeStage(
  more: Record<string, string> = {},
  without: readonly string[] = [],
): Promise<ClaudeStage> {
  const home = await mkdtemp(join(tmpdir(), 'ductor-claude-'))
  const cwd = join(home, 'work')
  await mkdir(cwd)
  const model = await startModelServer()
  const settings = { command: [claudeBinary], args: [], idleMs: 600_000, maxWarm: 8 }
  const given = Object.entries({ ...claudeEnv(home, model.url), ...more })
  const env = Object.fromEntries(given.filter(([name]) => !without.includes(name)))
  const deps = { home, log: silentLog, memory: new InMemoryStore(), env }
  return {
    cwd,
    env,
    open: () => new ClaudeProvider(settings, deps),
    turn: (key, prompt, rest) => ({
      id: randomUUID(),
      place: { key, transport: 'test', chat: key },
      prompt,
      attachments: [],
      strand: '',
      cwd,
      permissionMode: 'ask',
      ...rest,
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

/** A prompt that makes the model call this tool. */
export function use(tool: string, input: object): string {
  return `use ${tool} ${JSON.stringify(input)}`
}

function questionInput(question: string, labels: readonly string[]): object {
  const options = labels.map((label) => ({ label, description: `the ${label} one` }))
  return { questions: [{ question, header: 'Question', options, multiSelect: false }] }
}
