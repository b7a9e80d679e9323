import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { InMemoryStore } from '../../../tests/contracts/in-memory.ts'
import { eventually } from '../../../tests/support/eventually.ts'
import { MatrixPerson } from '../../../tests/support/matrix-person.ts'
import type { Synapse } from '../../../tests/support/synapse.ts'
import type { Log } from '../../core/define.ts'
import type { Inbound, Message } from '../../core/message.ts'
import type { Operation, Transport, TransportReport } from '../../core/transport.ts'
import definition from './index.ts'
import { usualTempo, type Tempo } from './pulse.ts'
import { MatrixTransport } from './transport.ts'

interface LogLine {
  readonly level: string
  readonly message: string
  readonly fields: Readonly<Record<string, unknown>>
}

/** Ductor's side of a test: a home, a memory that outlives restarts, and the transport while it runs. */
export class TestBot {
  readonly home: string
  readonly store = new InMemoryStore()
  readonly reports: TransportReport[] = []
  readonly log: LogLine[] = []
  /** How soon the bot finds out that it hears nothing. */
  tempo: Tempo = usualTempo
  #file: Readonly<Record<string, unknown>>
  #running: { transport: Transport; end: AbortController; listening: Promise<void> } | undefined

  private constructor(home: string, file: Readonly<Record<string, unknown>>) {
    this.home = home
    this.#file = file
  }

  /** With `matrix` as its block of the configuration. It stops, and its home goes, with the test. */
  static async make(
    t: TestContext,
    matrix: Readonly<Record<string, unknown>>,
    more: Readonly<Record<string, unknown>> = {},
  ): Promise<TestBot> {
    const home = await mkdtemp(join(tmpdir(), 'ductor-matrix-'))
    const bot = new TestBot(home, { ...more, matrix })
    t.after(async () => {
      await bot.stop()
      await rm(home, { recursive: true, force: true })
    })
    return bot
  }

  /** An account for the bot, and a bot that logs in to it with its password. */
  static async arrive(
    t: TestContext,
    synapse: Synapse,
    name: string,
    matrix: Readonly<Record<string, unknown>> = {},
    more: Readonly<Record<string, unknown>> = {},
  ): Promise<TestBot & { readonly id: string }> {
    const { userId } = await synapse.register(name, 'correct horse')
    const block = { homeserver: synapse.url, user_id: userId, password: 'correct horse', ...matrix }
    return Object.assign(await TestBot.make(t, block, more), { id: userId })
  }

  /** Changes the configuration for the next start. */
  configure(matrix: Readonly<Record<string, unknown>>): void {
    const before = this.#file['matrix'] as Readonly<Record<string, unknown>>
    this.#file = { ...this.#file, matrix: { ...before, ...matrix } }
  }

  get transport(): Transport {
    assert.ok(this.#running, 'the bot runs')
    return this.#running.transport
  }

  /** Rejects as `listen` does. */
  get listening(): Promise<void> {
    assert.ok(this.#running, 'the bot runs')
    return this.#running.listening
  }

  /** Starts to listen, and waits for nothing. */
  async launch(): Promise<void> {
    await this.stop()
    const line =
      (level: string): Log['info'] =>
      (fields, message) =>
        void this.log.push({ level, message, fields: { ...fields } })
    const deps = {
      home: this.home,
      log: { debug: line('debug'), info: line('info'), warn: line('warn'), error: line('error') },
      memory: this.store,
      report: (report: TransportReport) => void this.reports.push(report),
      heard() {},
    }
    const transport = new MatrixTransport(definition.config.parse(this.#file), deps, this.tempo)
    const end = new AbortController()
    const listening = transport.listen(this.store.intake(end.signal), end.signal)
    // Whoever waits for it sees the failure; nobody has to.
    listening.catch(() => {})
    this.#running = { transport, end, listening }
  }

  /** Starts and waits for the connection. */
  async start(): Promise<void> {
    const before = this.reports.length
    await this.launch()
    const connected = eventually(
      () => this.reports.slice(before).some(({ state }) => state === 'connected'),
      'the connection',
    )
    await Promise.race([connected, this.listening.then(() => assert.fail('it stopped listening'))])
  }

  async stop(): Promise<void> {
    const running = this.#running
    this.#running = undefined
    running?.end.abort()
    await running?.listening.catch(() => {
      // A test that cares has seen it already.
    })
  }

  async waitForReport(state: TransportReport['state'], detail = /(?:)/): Promise<TransportReport> {
    return eventually(
      () => this.reports.findLast((report) => report.state === state && detail.test(report.detail ?? '')),
      `the report ${state} ${detail}`,
    )
  }

  logged(message: RegExp): readonly LogLine[] {
    return this.log.filter((line) => message.test(line.message))
  }

  /** Waits until so many events were taken, and gives them all. */
  async taken(count: number): Promise<readonly Inbound[]> {
    return eventually(() => this.store.taken.length >= count && this.store.taken, `event ${count}`)
  }

  async messages(count: number): Promise<readonly Message[]> {
    const taken = await this.taken(count)
    return taken.filter((inbound) => inbound.kind === 'message')
  }

  /** Posts Markdown-free text as ductor's answer would be. */
  async post(room: string, key: string, content: Readonly<Record<string, unknown>>): Promise<string> {
    return this.deliver({ type: 'post', place: placeOf(room), content, key, notify: true })
  }

  async deliver(operation: Operation): Promise<string> {
    return this.transport.deliver(operation, AbortSignal.timeout(30_000))
  }
}

/** Only `chat` is read when something is sent. */
export function placeOf(room: string): Operation['place'] {
  return { key: 'mx:0', transport: 'matrix', chat: room }
}

let people = 0

/** A name that no other test of this process has taken. */
export function freshName(what: string): string {
  people += 1
  return `${what}${people}`
}

export async function arrive(synapse: Synapse, what: string): Promise<MatrixPerson> {
  return MatrixPerson.arrive(synapse, freshName(what))
}
