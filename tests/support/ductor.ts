import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { StatusFacts } from '../../src/app.ts'
import { eventually } from './eventually.ts'

const program = fileURLToPath(new URL('../../bin/ductor.mjs', import.meta.url))

/** A home folder of its own, and the program run on it as a person runs it. */
export class Home implements AsyncDisposable {
  readonly folder: string
  readonly #env: Record<string, string>
  #running: Running | undefined

  constructor(config: object | undefined, env: Readonly<Record<string, string>> = {}) {
    this.folder = mkdtempSync(join(tmpdir(), 'ductor-home-'))
    this.#env = {
      PATH: process.env['PATH'] ?? '',
      HOME: this.folder,
      DUCTOR_HOME: this.folder,
      DUCTOR_DEMO_JOURNAL: this.journalPath,
      ...env,
    }
    if (config !== undefined) this.configure(config)
  }

  get journalPath(): string {
    return join(this.folder, 'journal.jsonl')
  }

  configure(config: object | string): void {
    mkdirSync(join(this.folder, 'config'), { recursive: true })
    const text = typeof config === 'string' ? config : JSON.stringify(config, null, 2)
    writeFileSync(join(this.folder, 'config', 'config.json'), text, { mode: 0o600 })
  }

  /** What the demo agent wrote down. */
  journal(): readonly { event: string; text: string; at: number }[] {
    try {
      return readFileSync(this.journalPath, 'utf8')
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line))
    } catch {
      return []
    }
  }

  /** Starts the program; `ready` resolves with its first line that begins so. */
  start(...args: string[]): Running {
    return this.startWith({}, ...args)
  }

  /** As `start`, with more in its environment. */
  startWith(env: Readonly<Record<string, string>>, ...args: string[]): Running {
    this.#running = new Running(
      spawn(process.execPath, [program, ...args], {
        env: { ...this.#env, ...env },
        stdio: ['ignore', 'pipe', 'pipe'],
      }),
    )
    return this.#running
  }

  /** Ends what runs, as a power cut would. */
  async killRunning(): Promise<void> {
    await this.#running?.kill()
  }

  /** Runs one verb to its end. */
  async run(...args: string[]): Promise<{ code: number | null; stdout: string; stderr: string }> {
    const running = new Running(
      spawn(process.execPath, [program, ...args], { env: this.#env, stdio: ['ignore', 'pipe', 'pipe'] }),
    )
    const code = await running.ended
    return { code, stdout: running.stdout, stderr: running.stderr }
  }

  async status(): Promise<StatusFacts & { running: boolean }> {
    return JSON.parse((await this.run('status', '--json')).stdout)
  }

  /** Nothing runs, nothing waits, everything is delivered. */
  async quiet(limitMs = 60_000): Promise<void> {
    await eventually(
      async () => {
        const { turns, outbox } = await this.status()
        return turns.running === 0 && turns.queued === 0 && outbox.pending === 0
      },
      'quiet',
      limitMs,
    )
  }

  /** The demo agent has finished so many prompts. */
  async quietTurn(count: number): Promise<void> {
    await eventually(() => this.journal().filter(({ event }) => event === 'finished').length >= count)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#running?.kill()
    rmSync(this.folder, { recursive: true, force: true })
  }
}

export class Running {
  readonly child: ChildProcess
  readonly ended: Promise<number | null>
  stdout = ''
  stderr = ''

  constructor(child: ChildProcess) {
    this.child = child
    child.stdout?.on('data', (chunk: Buffer) => {
      this.stdout += chunk.toString()
    })
    child.stderr?.on('data', (chunk: Buffer) => {
      this.stderr += chunk.toString()
    })
    this.ended = once(child, 'close').then(([code]) => code)
  }

  /** The line that says that every transport has connected or failed its first try. */
  async ready(): Promise<string> {
    const line = () => /^ready.*$/m.exec(this.stdout)?.[0]
    const ended = () => line() === undefined && this.child.exitCode !== null
    await eventually(() => line() ?? ended(), 'ready')
    return line() ?? assert.fail(`ended with ${this.child.exitCode}: ${this.stdout}${this.stderr}`)
  }

  /** As a power cut would. */
  async kill(): Promise<void> {
    this.child.kill('SIGKILL')
    await this.ended
  }

  async stop(): Promise<number | null> {
    this.child.kill('SIGTERM')
    return this.ended
  }
}
