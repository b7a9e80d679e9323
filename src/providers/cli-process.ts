import { spawn, type ChildProcessByStdio } from 'node:child_process'
import { existsSync } from 'node:fs'
import type { Readable, Writable } from 'node:stream'
import { linesOf, type Line } from './json-lines.ts'
import type { LedgerEntry, ProcessLedger } from './process-ledger.ts'

const stderrKept = 4096
const orphanMs = 1000
const leftoversMs = 1000
/** From the end of its output to its own. */
const muteMs = 3000

/** How a process ended. `not-started` says why in a sentence for a person. */
export type Exit =
  | { readonly how: 'exited'; readonly code: number | null; readonly signal: NodeJS.Signals | null }
  | { readonly how: 'not-started'; readonly sentence: string }

export interface CliCommand {
  readonly program: string
  readonly args: readonly string[]
  /** The whole environment: nothing is inherited. */
  readonly env: Readonly<Record<string, string>>
  /** Absolute path of a folder. */
  readonly cwd: string
  /** Bytes; a longer line is skipped. */
  readonly lineLimit?: number
}

/** A CLI that talks in lines. Whoever made it ends it with `kill`. */
export class CliProcess {
  /**
   * Resolves, and never rejects, when the process has ended, however it did, all its output was read, and nothing that
   * it had started runs any more.
   */
  readonly exit: Promise<Exit>
  /** By `performance.now`. */
  readonly startedAt = performance.now()
  readonly #entry: LedgerEntry
  readonly #child: ChildProcessByStdio<Writable, Readable, Readable> | undefined
  readonly #lineLimit: number | undefined
  #stderr = Buffer.alloc(0)
  #ended = false

  /** Starts it and has it written down. Whether that worked is told by `exit`. */
  static async start(command: CliCommand, ledger: ProcessLedger): Promise<CliProcess> {
    const entry = await ledger.enter()
    const started = new CliProcess(command, entry)
    if (started.pid !== undefined) await entry.started(started.pid)
    return started
  }

  private constructor(command: CliCommand, entry: LedgerEntry) {
    this.#lineLimit = command.lineLimit
    this.#entry = entry
    try {
      // A group of its own: Ctrl-C in our terminal is ours to handle, not the CLI's.
      this.#child = spawn(command.program, command.args, {
        cwd: command.cwd,
        env: { ...command.env, ...entry.env },
        stdio: ['pipe', 'pipe', 'pipe'],
        detached: process.platform !== 'win32',
        windowsHide: true,
      })
      this.exit = this.#follow(this.#child, command)
    } catch (error) {
      // Some failures (E2BIG) are thrown, others (ENOENT) are told by an event.
      this.exit = this.#notStarted(error, command)
    }
  }

  get pid(): number | undefined {
    return this.#child?.pid
  }

  get ended(): boolean {
    return this.#ended
  }

  /** The last 4 KB of what it said on stderr. */
  get stderr(): string {
    return this.#stderr.toString('utf8').trim()
  }

  /** Its output. To be read once, to the end. */
  lines(): AsyncIterable<Line> {
    return this.#child === undefined ? linesOf(nothing()) : this.#linesOf(this.#child.stdout)
  }

  async *#linesOf(stdout: Readable): AsyncGenerator<Line> {
    yield* linesOf(stdout, this.#lineLimit)
    // Nothing more will come of it, though it may live for ever. The usual end closes the output, too.
    setTimeout(() => {
      if (!this.#ended) void this.kill(leftoversMs)
    }, muteMs).unref()
  }

  /** Sends one line of JSON. What cannot be sent any more is told by `exit`. */
  send(message: unknown): void {
    this.#child?.stdin.write(`${JSON.stringify(message)}\n`)
  }

  /** `last`: what it still gets, as it is. */
  closeInput(last = ''): void {
    this.#child?.stdin.end(last)
  }

  /** Ends it and all that it started; resolves when it is gone. */
  async kill(graceMs: number): Promise<void> {
    const child = this.#child
    if (child?.pid !== undefined && !this.#ended) {
      await this.#entry.end(graceMs)
      // Where nobody could look for it, it is there still.
      child.kill('SIGKILL')
      // Whoever still holds the other end of the pipes must not keep us waiting.
      child.stdout.destroy()
      child.stderr.destroy()
      child.stdin.destroy()
    }
    await this.exit
  }

  async #follow(
    child: ChildProcessByStdio<Writable, Readable, Readable>,
    command: CliCommand,
  ): Promise<Exit> {
    child.stderr.on('data', (chunk: Buffer) => {
      this.#stderr = Buffer.from(Buffer.concat([this.#stderr, chunk]).subarray(-stderrKept))
    })
    // When a process exits, Node throws away what it wrote unless somebody has begun to listen.
    child.stdout.on('readable', () => {})
    // A broken pipe is told by the exit.
    for (const stream of [child.stdin, child.stdout, child.stderr]) stream.on('error', () => {})
    const closed = new Promise((resolve) => child.once('close', resolve))
    const [code, signal, error] = await new Promise<
      readonly [code: number | null, signal: NodeJS.Signals | null, error?: Error]
    >((resolve) => {
      child.once('exit', (...how) => resolve(how))
      child.once('error', (reason) => {
        if (child.pid === undefined) resolve([null, null, reason])
      })
    })
    if (error !== undefined) return await this.#notStarted(error, command)
    this.#ended = true
    // What it left behind may hold the pipes open for as long as it likes: what that says is not the CLI's.
    await this.#entry.end(leftoversMs)
    const cut = setTimeout(() => {
      child.stdout.destroy()
      child.stderr.destroy()
    }, orphanMs)
    await closed
    clearTimeout(cut)
    return { how: 'exited', code, signal }
  }

  async #notStarted(error: unknown, command: CliCommand): Promise<Exit> {
    this.#ended = true
    await this.#entry.end(0)
    return { how: 'not-started', sentence: whyNotStarted(error, command) }
  }
}

async function* nothing(): AsyncGenerator<Uint8Array> {}

function whyNotStarted(error: unknown, { program, cwd }: CliCommand): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  if (code === 'ENOENT' && !existsSync(cwd))
    return `The folder ${cwd} does not exist. Make it, or choose another one.`
  switch (code) {
    case 'ENOENT':
      return `The program ${program} was not found. Install it, or name its full path in the configuration.`
    case 'EACCES':
      return `The program ${program} may not be run by this user. Check its rights and those of ${cwd}.`
    case 'E2BIG':
      return `The program ${program} was given arguments or an environment that are too large.`
    default:
      return `The program ${program} could not be started (${error instanceof Error ? error.message : String(error)}).`
  }
}
