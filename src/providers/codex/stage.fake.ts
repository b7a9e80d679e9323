import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { chmod, mkdir, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { InMemoryStore } from '../../../tests/contracts/in-memory.ts'
import type { ProviderStage } from '../../../tests/contracts/provider.ts'
import { codexBinary, codexEnv } from '../../../tests/support/install-codex.ts'
import { startResponsesServer, type ResponsesServer } from '../../../tests/support/responses-server.ts'
import { silentLog } from '../../../tests/support/stage.ts'
import { treeOf } from '../kill-tree.ts'
import codex from './index.ts'
import { CodexProvider } from './provider.ts'
import { usualPatience, type Patience } from './running-turn.ts'

export interface CodexStage extends ProviderStage {
  readonly home: string
  readonly cwd: string
  readonly model: ResponsesServer
  readonly env: Readonly<Record<string, string>>
  open(): CodexProvider
}

interface StageOptions {
  /** Further lines of the configuration. */
  readonly config?: string
  /** Instead of the scripted model's. */
  readonly url?: string
  readonly env?: (home: string, url: string) => Record<string, string>
  /** An old Codex, to which `app-server` is a word like any other. */
  readonly noAppServer?: boolean
  readonly patience?: Partial<Patience>
  readonly maxWarm?: number
}

/** The real Codex in a home of its own, before a scripted model. */
export async function stage(options: StageOptions = {}): Promise<CodexStage> {
  const home = await realpath(await mkdtemp(join(tmpdir(), 'ductor-codex-')))
  const cwd = join(home, 'work')
  await mkdir(cwd)
  const model = await startResponsesServer()
  const url = options.url ?? model.url
  const env = options.env?.(home, url) ?? codexEnv(home, url, options.config)
  const command = [codexBinary]
  if (options.noAppServer === true) {
    const old = join(home, 'old-codex')
    await writeFile(old, `#!/bin/sh\n[ "$1" = app-server ] && exit 2\nexec '${codexBinary}' "$@"\n`)
    await chmod(old, 0o755)
    command.splice(0, 1, old)
  }
  const settings = codex.config.parse({
    command,
    ...(options.maxWarm === undefined ? {} : { max_warm: options.maxWarm }),
  })
  return {
    home,
    cwd,
    model,
    env,
    open() {
      const deps = { home, log: silentLog, memory: new InMemoryStore(), env }
      if (options.patience !== undefined)
        return new CodexProvider({ command, args: [], idleMs: 60_000, maxWarm: 20 }, deps, {
          ...usualPatience,
          ...options.patience,
        })
      const provider = codex.open(settings, deps)
      assert.ok(provider instanceof CodexProvider)
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
      bash: (line) => `tool bash ${line}`,
      history: () => 'history',
      question: (text, choices) =>
        `call request_user_input ${JSON.stringify({
          questions: [
            {
              id: 'it',
              header: 'It',
              question: text,
              options: choices.map((label) => ({ label, description: label })),
            },
          ],
        })}`,
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
