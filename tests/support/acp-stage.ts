import { randomUUID } from 'node:crypto'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ProviderDeps } from '../../src/core/define.ts'
import type { Provider, Turn } from '../../src/core/provider.ts'
import { treeOf } from '../../src/providers/kill-tree.ts'
import { InMemoryStore } from '../contracts/in-memory.ts'
import type { ProviderStage } from '../contracts/provider.ts'
import { silentLog } from './stage.ts'

/** A fresh home with a folder to work in, and what `open` opens there. The model follows `model-script.ts`. */
export async function acpStage<Config>(
  open: (deps: ProviderDeps, home: string, config: Config | undefined) => Provider,
  env: (home: string) => Promise<Record<string, string>>,
  model: AsyncDisposable,
): Promise<ProviderStage & { readonly home: string; readonly cwd: string; open(config?: Config): Provider }> {
  const home = await mkdtemp(join(tmpdir(), 'ductor-acp-'))
  const cwd = join(home, 'work')
  await mkdir(cwd)
  const deps = { home, log: silentLog, memory: new InMemoryStore(), env: await env(home) }
  const opened: Provider[] = []
  return {
    home,
    cwd,
    open(config?: Config) {
      const provider = open(deps, home, config)
      opened.push(provider)
      return provider
    },
    turn: (key, prompt, more): Turn => ({
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
      pictures: () => 'pictures',
    },
    path: (name) => join(cwd, name),
    processes: async () =>
      (await treeOf(process.pid)).map(({ pid }) => pid).filter((pid) => pid !== process.pid),
    async [Symbol.asyncDispose]() {
      await Promise.all(opened.map(async (provider) => provider.close?.()))
      await model[Symbol.asyncDispose]()
      await rm(home, { recursive: true, force: true, maxRetries: 5 })
    },
  }
}
