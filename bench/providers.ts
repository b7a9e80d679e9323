// Message to first text: through ductor, cold and warm, beside the bare CLI, in one run. The model answers at once.
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { mkdir, mkdtemp, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ProviderDeps } from '../src/core/define.ts'
import type { Provider, Turn } from '../src/core/provider.ts'
import acp from '../src/providers/acp/index.ts'
import claude from '../src/providers/claude/index.ts'
import codex from '../src/providers/codex/index.ts'
import gemini from '../src/providers/gemini/index.ts'
import { InMemoryStore } from '../tests/contracts/in-memory.ts'
import { startChatServer } from '../tests/support/chat-server.ts'
import { startGeminiServer } from '../tests/support/gemini-server.ts'
import { claudeBinary, claudeEnv, whyNoClaude } from '../tests/support/install-claude.ts'
import { codexBinary, codexEnv, whyNoCodex } from '../tests/support/install-codex.ts'
import { startModelServer } from '../tests/support/model-server.ts'
import { geminiEnv, realGemini } from '../tests/support/real-gemini.ts'
import { opencodeEnv, realOpencode } from '../tests/support/real-opencode.ts'
import { startResponsesServer } from '../tests/support/responses-server.ts'
import { silentLog } from '../tests/support/stage.ts'
import {
  acpClient,
  claudeClient,
  codexClient,
  oneShot,
  type Client,
  type Command,
} from './persistent-clients.ts'

const coldRounds = 7
const warmRounds = 60
const prompt = 'say hello there'

type Environment = Readonly<Record<string, string>>

interface Cli {
  readonly name: string
  /** How many times faster a warm turn should be than the bare CLI. */
  readonly wanted: number
  why(): Promise<string | undefined>
  model(): Promise<AsyncDisposable & { readonly url: string }>
  env(home: string, modelUrl: string): Environment | Promise<Environment>
  open(deps: ProviderDeps): Provider | Promise<Provider>
  /** Its one-shot command line. `mark`: what its first line with text has. */
  readonly bare: {
    readonly command: readonly [string, ...string[]]
    readonly mark: string
    readonly input?: string
  }
  readonly persistent: readonly [string, ...string[]]
  client(command: Command): Promise<Client>
}

const [geminiProgram, ...geminiFirst] = realGemini.command
const [opencodeProgram] = realOpencode.command

const clis: readonly Cli[] = [
  {
    name: 'claude',
    wanted: 10,
    why: whyNoClaude,
    model: startModelServer,
    env: claudeEnv,
    open: (deps) => claude.open(claude.config.parse({ command: [claudeBinary] }), deps),
    bare: {
      command: [
        claudeBinary,
        '-p',
        prompt,
        '--output-format=stream-json',
        '--verbose',
        '--include-partial-messages',
      ],
      mark: '"text_delta"',
    },
    persistent: [
      claudeBinary,
      '-p',
      '--input-format=stream-json',
      '--output-format=stream-json',
      '--verbose',
      '--include-partial-messages',
      '--permission-prompt-tool=stdio',
    ],
    client: claudeClient,
  },
  {
    name: 'codex',
    wanted: 4,
    why: whyNoCodex,
    model: startResponsesServer,
    env: codexEnv,
    open: (deps) => codex.open(codex.config.parse({ command: [codexBinary] }), deps),
    bare: {
      command: [codexBinary, 'exec', '--json', '--skip-git-repo-check', prompt],
      mark: '"agent_message"',
    },
    persistent: [codexBinary, 'app-server'],
    client: codexClient,
  },
  {
    name: 'gemini',
    wanted: 50,
    why: () => realGemini.why(),
    model: startGeminiServer,
    env: async (home, url) => ({ ...(await geminiEnv(home, url)), GEMINI_CLI_TRUST_WORKSPACE: 'true' }),
    open: (deps) => gemini.open(gemini.config.parse({ command: realGemini.command }), deps),
    bare: {
      command: [geminiProgram, ...geminiFirst, '-p', prompt, '-o', 'stream-json'],
      mark: '"role":"assistant"',
    },
    persistent: [geminiProgram, ...geminiFirst, '--acp'],
    // Without it there is a second process that cannot be ended.
    client: (command) => acpClient({ ...command, env: { ...command.env, GEMINI_CLI_NO_RELAUNCH: 'true' } }),
  },
  {
    name: 'opencode',
    wanted: 20,
    why: () => realOpencode.why(),
    model: startChatServer,
    env: opencodeEnv,
    open(deps) {
      const opencode = acp.called?.('opencode') ?? acp
      return opencode.open(
        opencode.config.parse({ protocol: 'acp', command: [opencodeProgram, 'acp'] }),
        deps,
      )
    },
    bare: { command: [opencodeProgram, 'run', '--format', 'json'], mark: '"type":"text"', input: prompt },
    persistent: [opencodeProgram, 'acp'],
    client: acpClient,
  },
]

/** `names`: those alone; all where there are none. */
export async function benchProviders(names: readonly string[]): Promise<void> {
  for (const cli of clis) {
    if (names.length > 0 && !names.includes(cli.name)) continue
    const reason = await cli.why()
    if (reason === undefined) await measure(cli)
    else print(cli.name, reason)
  }
}

async function measure(cli: Cli): Promise<void> {
  const home = await realpath(await mkdtemp(join(tmpdir(), 'ductor-bench-')))
  await using model = await cli.model()
  try {
    const cwd = join(home, 'work')
    await mkdir(cwd)
    const env = await cli.env(home, model.url)
    const command = ([program, ...args]: readonly [string, ...string[]]): Command => ({
      program,
      args,
      env,
      cwd,
    })
    const open = () => cli.open({ home, log: silentLog, memory: new InMemoryStore(), env })

    const bare: number[] = []
    const cold: number[] = []
    for (let n = 0; n < coldRounds; n += 1) {
      bare.push(await oneShot(command(cli.bare.command), cli.bare.mark, cli.bare.input))
      const provider = await open()
      cold.push((await turn(provider, cwd)).time)
      await provider.close?.()
    }

    const warm: number[] = []
    const direct: number[] = []
    const provider = await open()
    const client = await cli.client(command(cli.persistent))
    let session: string | undefined
    const through = async () => {
      const { time, session: now } = await turn(provider, cwd, session)
      session = now
      warm.push(time)
    }
    // In pairs, each going first in turn, so that whatever else the machine does hits both alike.
    for (let n = 0; n < warmRounds + 2; n += 1) {
      if (n % 2 === 0) await through()
      direct.push(await client.turn(prompt))
      if (n % 2 === 1) await through()
    }
    // The first ones have more to do.
    for (const times of [warm, direct]) times.splice(0, 2)
    await provider.close?.()
    await client.close()
    report(cli, { bare, cold, warm, direct })
  } finally {
    await rm(home, { recursive: true, force: true, maxRetries: 5 })
  }
}

/** One turn through ductor's provider: milliseconds to the first text. */
async function turn(provider: Provider, cwd: string, resume?: string) {
  const asked: Turn = {
    id: randomUUID(),
    place: { key: 'bench', transport: 'bench', chat: 'bench' },
    strand: '',
    prompt,
    attachments: [],
    cwd,
    permissionMode: 'ask',
    ...(resume === undefined ? {} : { resume }),
  }
  const begun = performance.now()
  let time: number | undefined
  let session = resume
  for await (const event of provider.run(asked, new AbortController().signal)) {
    if (event.type === 'text') time ??= performance.now() - begun
    if (event.type === 'session.started') session = event.sessionId
    if (event.type === 'turn.ended') assert.equal(event.stop, 'end_turn', event.error)
  }
  assert.ok(time !== undefined, 'no text came')
  return { time, session }
}

function report(
  { name, wanted }: Cli,
  times: Readonly<Record<'bare' | 'cold' | 'warm' | 'direct', readonly number[]>>,
): void {
  print(`${name}: bare, a process for each message`, spread(times.bare))
  print(`${name}: through ductor, cold`, spread(times.cold))
  print(`${name}: through ductor, warm`, spread(times.warm))
  print(`${name}: its protocol alone, warm`, spread(times.direct))
  const faster = at(times.bare, 0.5) / at(times.warm, 0.5)
  print(`${name}: warm against bare`, `${faster.toFixed(1)} times faster (at least ${wanted} wanted)`)
  const shares = times.warm.map((time, n) => time - (times.direct[n] ?? Number.NaN))
  print(`${name}: ductor's own share`, `${spread(shares)} (p50 under 5 wanted)`)
}

function spread(times: readonly number[]): string {
  return `p50 ${at(times, 0.5).toFixed(1)} ms, p99 ${at(times, 0.99).toFixed(1)} ms (n = ${times.length})`
}

function at(times: readonly number[], share: number): number {
  const sorted = times.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}

function print(what: string, figure: string): void {
  process.stdout.write(`${what.padEnd(42)} ${figure}\n`)
}
