import { setTimeout as sleep } from 'node:timers/promises'
import type { Log } from '../../core/define.ts'
import type { CliProcess } from '../cli-process.ts'
import { stillRunning, treeOf, type NotedProcess } from '../kill-tree.ts'
import type { Controls } from './controls.ts'
import type { ClaudeTurn, Cut } from './turn.ts'

export interface ScissorsDeps {
  readonly process: CliProcess
  readonly controls: Controls
  readonly log: Log
  /** Milliseconds from an interrupt to its confirmation. */
  readonly interruptMs: number
  /** Milliseconds that tools have to end after it. */
  readonly killMs: number
  /** Nothing can be said to it. */
  readonly oneShot: boolean
  readonly settle: (turn: ClaudeTurn) => void
  readonly close: () => Promise<void>
}

/** Cuts turns short: by an interrupt, and where that is not confirmed by killing the process and all that it started. */
export class Scissors {
  readonly #deps: ScissorsDeps
  /** What ran when the last turn ended: background work, which the next one must not be made to answer for. */
  #background: Promise<readonly NotedProcess[]> = Promise.resolve([])

  constructor(deps: ScissorsDeps) {
    this.#deps = deps
  }

  /** To be called when a turn has ended. */
  noteBackground(): void {
    const { pid, ended } = this.#deps.process
    if (pid !== undefined && !ended) this.#background = this.#treeOf(pid)
  }

  async cut(turn: ClaudeTurn, cut: Cut): Promise<void> {
    const { process, log, interruptMs, oneShot, close } = this.#deps
    const { pid } = process
    if (turn.ending !== undefined || turn.cut !== undefined || pid === undefined) return
    turn.cut = cut
    if (oneShot) return await close()
    const before = new Set((await this.#background).map((old) => old.pid))
    turn.tools = (await this.#treeOf(pid)).filter((each) => each.pid !== pid && !before.has(each.pid))
    void this.#interrupt(turn)
    await Promise.race([turn.ended.promise, sleep(interruptMs, undefined, { ref: false })])
    if (turn.ending !== undefined && turn.confirmed) return
    log.warn({ pid }, 'claude did not confirm the interrupt and is killed')
    await close()
  }

  /** Whatever a turn that was stopped had started and Claude left running goes, and Claude with it. */
  async clear(turn: ClaudeTurn): Promise<void> {
    if (!turn.signal.aborted && turn.cut?.by !== 'silence') return
    const end = performance.now() + this.#deps.killMs
    while ((await stillRunning(turn.tools)).length > 0) {
      if (performance.now() > end) return await this.#deps.close()
      await sleep(20)
    }
  }

  /** Where nobody can look, the process itself must be stopped all the same. */
  #treeOf(pid: number): Promise<readonly NotedProcess[]> {
    return treeOf(pid).catch((error: unknown) => {
      this.#deps.log.error({ err: error, pid }, 'what claude has started could not be looked for')
      return []
    })
  }

  async #interrupt(turn: ClaudeTurn): Promise<void> {
    await this.#deps.controls.ask({ subtype: 'interrupt', cancel_queued: true }, 0)
    turn.confirmed = true
    // Its own answer was complete already: no other result comes.
    if (turn.held !== undefined) turn.ending ??= turn.cutEnding()
    this.#deps.settle(turn)
  }
}
