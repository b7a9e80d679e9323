import { inspect } from 'node:util'
import { InMemoryStore } from '../../../tests/contracts/in-memory.ts'
import { eventually } from '../../../tests/support/eventually.ts'
import type { Inbound } from '../../core/message.ts'
import type { TransportReport } from '../../core/transport.ts'
import { config } from './config.ts'
import { usualTempo, type Tempo } from './tempo.ts'
import { FakeTelegram, type FakeOptions } from './telegram.fake.ts'
import { Telegram } from './telegram.ts'

/** Short pauses, so that a test waits for what it means and not for the clock. */
export const quick: Tempo = {
  ...usualTempo,
  callTimeoutMs: 3000,
  firstPauseMs: 5,
  longestPauseMs: 20,
  conflictPauseMs: 20,
  refusedPauseMs: 20,
  calmMs: 100,
}

export interface StageOptions extends FakeOptions {
  readonly settings?: Readonly<Record<string, unknown>>
  readonly tempo?: Partial<Tempo>
  readonly home?: string
  readonly now?: () => number
}

/** A fake network, a store, and the transport between them, with all that it reported and logged. */
export class Stage implements AsyncDisposable {
  readonly network: FakeTelegram
  readonly store: InMemoryStore
  readonly reports: TransportReport[] = []
  /** Level, message and fields of each line. */
  readonly logged: { readonly level: string; readonly message: string; readonly fields: object }[] = []
  readonly transport: Telegram
  heard = 0
  readonly #end = new AbortController()
  #listening: Promise<void> | undefined

  static async open(options: StageOptions = {}): Promise<Stage> {
    return new Stage(
      await FakeTelegram.start({ limits: { flood: false, conflictDelayMs: 50, samePollMs: 50 }, ...options }),
      options,
    )
  }

  readonly #options: StageOptions

  constructor(network: FakeTelegram, options: StageOptions, store = new InMemoryStore()) {
    const { settings = {}, tempo = {} } = options
    this.network = network
    this.store = store
    this.#options = options
    const line =
      (level: string) =>
      (fields: object, message: string): void =>
        void this.logged.push({ level, message, fields })
    const settled = config.parse({
      telegram_token: network.token,
      telegram_api_root: network.apiRoot,
      allowed_user_ids: [4711],
      ...settings,
    })
    this.transport = new Telegram(
      settled,
      {
        home: options.home ?? '/nowhere',
        log: { debug: line('debug'), info: line('info'), warn: line('warn'), error: line('error') },
        memory: this.store,
        report: (report) => void this.reports.push(report),
        heard: () => void (this.heard += 1),
        commands: [
          { name: 'new', summary: 'Begin anew' },
          { name: 'Not For Menus', summary: 'Telegram would refuse it' },
        ],
      },
      { ...quick, ...tempo },
      options.now,
    )
  }

  /** The same network and the same store, as a program finds them that was started again. */
  reopened(): Stage {
    return new Stage(this.network, this.#options, this.store)
  }

  get signal(): AbortSignal {
    return this.#end.signal
  }

  /** Begins to listen; the result ends when listening ends. */
  listen(): Promise<void> {
    const listening = this.transport.listen(this.store.intake(this.#end.signal), this.#end.signal)
    this.#listening = listening.catch(() => {
      // Whoever asked for the result sees it fail.
    })
    return listening
  }

  /** Listens, and resolves when it is connected. */
  async connect(): Promise<this> {
    this.listen().catch((error: unknown) =>
      this.reports.push({ state: 'failed', detail: `threw ${String(error)}` }),
    )
    await this.reported('connected')
    return this
  }

  /** Waits for such a report among those after `since`, and gives it. */
  reported(state: TransportReport['state'], since = 0): Promise<TransportReport> {
    return eventually(
      () => this.reports.slice(since).find((report) => report.state === state),
      `the report ${state}`,
    )
  }

  taken(count: number): Promise<readonly Inbound[]> {
    return eventually(
      () => (this.store.taken.length >= count ? this.store.taken : undefined),
      `event ${count}`,
    )
  }

  /** All that was said outside: logs, reports, and what `more` adds. */
  everythingSaid(...more: readonly unknown[]): string {
    return inspect([this.logged, this.reports, ...more], {
      depth: 20,
      showHidden: true,
      maxStringLength: null,
    })
  }

  /** Ends as a program does that is told to; the network goes on. */
  async ends(): Promise<void> {
    this.#end.abort()
    await this.#listening
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.ends()
    await this.network.stop()
  }
}
