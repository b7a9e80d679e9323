import { randomUUID } from 'node:crypto'
import { z } from 'zod'
import type { Log } from '../core/define.ts'
import type { Memory } from '../core/transport.ts'
import { endAll } from './kill-tree.ts'
import {
  livingProcess,
  livingProcesses,
  ownLine,
  startedWith,
  type LivingProcess,
  type NotedProcess,
} from './process-table.ts'

/** In the environment of everything that a provider starts: the tools of a CLI inherit it, whoever their parent is. */
const mark = 'DUCTOR_RUN'
const prefix = 'process/'
const sweepGraceMs = 2000
/** So many may be about to end; nothing else is started until one of them is gone. */
const mostEnding = 16

const noted = z.object({ pid: z.number(), start: z.string() })
/** `owner`: the ductor that started it. `root`: the CLI itself; missing for a moment while it starts. */
const page = z.object({ owner: noted, root: noted.optional() })
type Page = z.infer<typeof page>

/** One process that is about to be started, or was. */
export interface LedgerEntry {
  /** Must be in its environment. */
  readonly env: Readonly<Record<string, string>>
  /** It runs, under this pid. To be called before it is given anything to do. */
  started(pid: number): Promise<void>
  /** Ends it, if it still runs, and whatever it left behind, and forgets it. Never rejects: it may have to be left. */
  end(graceMs: number): Promise<void>
}

/**
 * What a provider has started, kept where a crash cannot reach it. It is written down before a process starts, by a
 * mark that its environment carries, and again with pid and start time before it is given anything to do. So the next
 * ductor finds all that a killed one left behind, also tools in sessions of their own whose parent is init by now.
 * Never by name, and a pid only together with its start time.
 */
export class ProcessLedger {
  /** Resolves, and never rejects, when nothing of earlier ductors runs any more. */
  readonly swept: Promise<void>
  readonly #memory: Memory
  readonly #log: Log
  #owner: Promise<NotedProcess> | undefined
  readonly #ending = new Set<Promise<void>>()

  /** Begins to sweep at once. */
  constructor(memory: Memory, log: Log) {
    this.#memory = memory
    this.#log = log
    this.swept = this.#sweep(memory.list(prefix)).catch((error: unknown) => {
      log.warn({ err: error }, 'what an earlier run left behind could not be ended')
    })
  }

  /**
   * Waits for the sweep: what an earlier run left behind may still hold the session that is to be continued. And for
   * those that end: where they take longer than it takes to start others, they would fill the machine.
   */
  async enter(): Promise<LedgerEntry> {
    await this.swept
    while (this.#ending.size >= mostEnding) await Promise.race(this.#ending)
    const id = randomUUID()
    const owner = await (this.#owner ??= ourselves())
    this.#write(id, { owner })
    let root: NotedProcess | undefined
    let forgotten = false
    return {
      env: { [mark]: id },
      started: async (pid) => {
        root = await livingProcess(pid)
        if (root !== undefined && !forgotten) this.#write(id, { owner, root: { pid, start: root.start } })
      },
      end: (graceMs) =>
        this.#counted(async () => {
          try {
            await this.#end(new Set([id]), root === undefined ? [] : [root], graceMs)
          } catch (error) {
            // It stays written down: the next start looks for what it left behind.
            return this.#log.error({ err: error }, 'what a process had started could not be looked for')
          }
          forgotten = true
          this.#write(id, null)
        }),
    }
  }

  async #sweep(pairs: readonly (readonly [string, string])[]): Promise<void> {
    if (pairs.length === 0) return
    const living = await livingProcesses()
    const left = pairs.flatMap(([key, value]) => {
      const entry = parsed(value)
      // Another ductor that looks around (doctor) must not end what the running one works with.
      if (entry !== undefined && lives(entry.owner, living)) return []
      return [{ id: key.slice(prefix.length), root: entry?.root }]
    })
    if (left.length === 0) return
    const roots = left.flatMap(({ root }) => (root === undefined ? [] : [root]))
    await this.#end(new Set(left.map(({ id }) => id)), roots, sweepGraceMs)
    for (const { id } of left) this.#write(id, null)
    this.#log.info({ processes: left.length }, 'what an earlier run left behind was ended')
  }

  #end(ids: ReadonlySet<string>, roots: readonly NotedProcess[], graceMs: number): Promise<void> {
    return endAll(async (living) => {
      const marked = await startedWith(mark, ids, living)
      // An agent may have started this very ductor.
      const own = ownLine(living)
      return [...roots, ...marked].filter(({ pid }) => !own.has(pid))
    }, graceMs)
  }

  async #counted(end: () => Promise<void>): Promise<void> {
    const ending = end()
    const over = Promise.allSettled([ending]).then(() => void this.#ending.delete(over))
    this.#ending.add(over)
    await ending
  }

  #write(id: string, entry: Page | null): void {
    try {
      this.#memory.remember({ [prefix + id]: entry === null ? null : JSON.stringify(entry) })
    } catch (error) {
      // A full disk. To start nothing would not make room; to forget nothing is harmless.
      this.#log.warn({ err: error }, 'a process could not be written down')
    }
  }
}

function lives(one: NotedProcess, living: readonly LivingProcess[]): boolean {
  return living.some(({ pid, start }) => pid === one.pid && start === one.start)
}

async function ourselves(): Promise<NotedProcess> {
  const own = await livingProcess(process.pid)
  return { pid: process.pid, start: own?.start ?? '' }
}

function parsed(value: string): Page | undefined {
  try {
    return page.parse(JSON.parse(value))
  } catch {
    // Written by another version: its mark still leads to what it started.
    return undefined
  }
}
