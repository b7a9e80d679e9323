import { extname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { ProviderDeps } from '../../core/define.ts'
import type { Attachment, Place } from '../../core/message.ts'
import type {
  ModelList,
  PermissionAnswer,
  Provider,
  ProviderHealth,
  SessionSummary,
  Steered,
  Turn,
  TurnEvent,
  UnpromptedTurn,
} from '../../core/provider.ts'
import { CliProcess } from '../cli-process.ts'
import { ProcessLedger } from '../process-ledger.ts'
import { DemoProcess } from './process.ts'
import { listSessions } from './sessions.ts'

/** So many conversations keep their process; that of the one that was quiet longest goes first. */
const maxWarm = 20

/** Beside this file, with its own ending: .ts in a checkout, .js in the package. */
const program = fileURLToPath(new URL(`./demo-agent${extname(import.meta.url)}`, import.meta.url))

const models: ModelList = {
  models: [
    {
      id: 'demo-large',
      name: 'Demo large',
      description: 'thinks no harder than the small one',
      efforts: ['low', 'high'],
      isDefault: true,
    },
    { id: 'demo-small', name: 'Demo small', efforts: [] },
  ],
}

/** The demo agent: one process for each strand of a place, kept between its turns. */
export class DemoProvider implements Provider {
  readonly #deps: ProviderDeps
  readonly #ledger: ProcessLedger
  /** In the order of their last use. */
  readonly #processes = new Map<string, DemoProcess>()
  readonly #running = new Map<string, DemoProcess>()
  #receive: ((turn: UnpromptedTurn) => void) | undefined

  constructor(deps: ProviderDeps) {
    this.#deps = deps
    this.#ledger = new ProcessLedger(deps.memory, deps.log)
  }

  async *run(turn: Turn, signal: AbortSignal): AsyncGenerator<TurnEvent> {
    if (signal.aborted) return yield { type: 'turn.ended', stop: 'cancelled' }
    const process = await this.#take(turn)
    this.#running.set(turn.id, process)
    try {
      yield* process.run(turn, signal)
    } finally {
      this.#running.delete(turn.id)
    }
  }

  answer(turnId: string, requestId: string, answer: PermissionAnswer): boolean {
    return this.#running.get(turnId)?.answer(turnId, requestId, answer) ?? false
  }

  reply(turnId: string, questionId: string, answers: readonly (readonly string[])[]): boolean {
    return this.#running.get(turnId)?.reply(turnId, questionId, answers) ?? false
  }

  async interrupt(turnId: string): Promise<boolean> {
    return (await this.#running.get(turnId)?.interrupt(turnId)) ?? false
  }

  async steer(turnId: string, prompt: string, attachments: readonly Attachment[]): Promise<Steered> {
    return (await this.#running.get(turnId)?.steer(turnId, prompt, attachments)) ?? 'over'
  }

  listen(receive: (turn: UnpromptedTurn) => void): void {
    this.#receive = receive
  }

  async models(): Promise<ModelList> {
    return models
  }

  async sessions(cwd: string): Promise<readonly SessionSummary[]> {
    return listSessions(this.#folder, cwd).map(({ id, title, updatedAt }) => ({ id, title, updatedAt }))
  }

  handoff(sessionId: string): readonly string[] {
    return [process.execPath, program, this.#folder, '--talk', sessionId]
  }

  async release(place: Place, strand: string): Promise<void> {
    await this.#drop(keyOf(place, strand))
  }

  async check(): Promise<ProviderHealth> {
    return { installed: true, signedIn: true }
  }

  async close(): Promise<void> {
    await Promise.all([...this.#processes.keys()].map((key) => this.#drop(key)))
  }

  get #folder(): string {
    return join(this.#deps.home, 'demo')
  }

  async #take(turn: Turn): Promise<DemoProcess> {
    const key = keyOf(turn.place, turn.strand)
    const warm = this.#processes.get(key)
    const fits = warm?.fits(turn) === true
    if (!fits) await this.#drop(key)
    const process = fits && warm !== undefined ? warm : await this.#start(turn)
    this.#processes.delete(key)
    this.#processes.set(key, process)
    for (const [oldest, each] of this.#processes) {
      if (this.#processes.size <= maxWarm) break
      if (!each.busy && each !== process) void this.#drop(oldest)
    }
    return process
  }

  async #start({ place, strand, cwd }: Turn): Promise<DemoProcess> {
    const args = [program, this.#folder]
    const command = { program: process.execPath, args, env: this.#deps.env, cwd }
    const cli = await CliProcess.start(command, this.#ledger)
    const demo: DemoProcess = new DemoProcess(cli, cwd, (turn) => {
      this.#running.set(turn.id, demo)
      const ended = () => void this.#running.delete(turn.id)
      this.#receive?.({ ...turn, place, strand, events: following(turn.events, ended) })
      return this.#receive !== undefined
    })
    return demo
  }

  async #drop(key: string): Promise<void> {
    const process = this.#processes.get(key)
    this.#processes.delete(key)
    await process?.close()
  }
}

function keyOf({ key }: Place, strand: string): string {
  return `${key}\n${strand}`
}

async function* following<T>(source: AsyncIterable<T>, ended: () => void): AsyncGenerator<T> {
  try {
    yield* source
  } finally {
    ended()
  }
}
