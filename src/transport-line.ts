import { setTimeout as sleep } from 'node:timers/promises'
import type { Log, TransportDefinition, TransportDeps } from './core/define.ts'
import { FatalError, type Intake, type Transport, type TransportReport } from './core/transport.ts'

export interface TransportLineDeps extends Pick<TransportDeps, 'home' | 'memory' | 'env'> {
  readonly commands: NonNullable<TransportDeps['commands']>
  readonly log: Log
  /** Called at each report. */
  readonly onReport: (line: TransportLine, before: TransportReport) => void
}

const longestPauseMs = 60_000

/** One transport of an agent: how it fares, and that it goes on. A fault of one stops only that one. */
export class TransportLine {
  readonly name: string
  transport: Transport | undefined
  /** Milliseconds since 1970; undefined: nothing was heard yet. */
  heardAt: number | undefined
  readonly #deps: TransportLineDeps
  readonly #firstTry = Promise.withResolvers<void>()
  #report: TransportReport = { state: 'connecting' }

  constructor(name: string, deps: TransportLineDeps) {
    this.name = name
    this.#deps = deps
  }

  get report(): TransportReport {
    return this.#report
  }

  /** Resolves when it has connected or failed for the first time. */
  get firstTry(): Promise<void> {
    return this.#firstTry.promise
  }

  /** Makes the transport without touching the network. One that cannot be made has failed. */
  async open(definition: TransportDefinition, config: unknown): Promise<void> {
    const { home, memory, env, commands, log } = this.#deps
    try {
      this.transport = await definition.open(config, {
        home,
        log,
        memory,
        ...(env === undefined ? {} : { env }),
        commands,
        report: (report) => this.#meet(report),
        heard: () => {
          this.heardAt = Date.now()
        },
      })
    } catch (error) {
      this.#meet({ state: 'failed', detail: reason(error) })
      log.error({ err: error, transport: this.name }, 'a transport could not be opened')
    }
  }

  /** Listens until the end; begins anew, after a pause, when it ends by itself. */
  async listen(intake: Intake, signal: AbortSignal): Promise<void> {
    const { transport } = this
    if (transport === undefined) return
    for (let pause = 1000; !signal.aborted; pause = Math.min(pause * 2, longestPauseMs)) {
      try {
        await transport.listen(intake, signal)
        break
      } catch (error) {
        if (signal.aborted) break
        this.#meet({ state: 'failed', detail: reason(error) })
        this.#deps.log.error({ err: error, transport: this.name }, 'a transport ended')
        if (error instanceof FatalError) return
        await sleep(pause, undefined, { signal }).catch(() => {
          // Stopping: there is nothing to wait for any more.
        })
      }
    }
    this.#meet({ state: 'stopped' })
  }

  #meet(now: TransportReport): void {
    const before = this.#report
    // Who the bot is does not change because the line went down.
    const account = now.account ?? before.account
    this.#report = account === undefined ? now : { ...now, account }
    this.#deps.onReport(this, before)
    if (now.state === 'connected' || now.state === 'failed') this.#firstTry.resolve()
  }
}

function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
