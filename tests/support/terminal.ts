import { fileURLToPath } from 'node:url'
import { stripVTControlCharacters } from 'node:util'
import { spawn, type IPty } from '@lydell/node-pty'
import { eventually } from './eventually.ts'

const program = fileURLToPath(new URL('../../bin/ductor.mjs', import.meta.url))

export const keys = {
  clear: '\u0015',
  enter: '\r',
  escape: '\u001B',
  ctrlC: '\u0003',
  down: '\u001B[B',
  left: '\u001B[D',
} as const

/** The program in a real pseudo-terminal, and a person before it. */
export class Terminal implements AsyncDisposable {
  readonly ended: Promise<number>
  readonly #pty: IPty
  #output = ''
  #read = 0
  #alive = true

  constructor(args: readonly string[], env: Readonly<Record<string, string>>) {
    this.#pty = spawn(process.execPath, [program, ...args], {
      name: 'xterm-256color',
      cols: 160,
      rows: 50,
      env: { ...env },
    })
    this.#pty.onData((chunk) => {
      this.#output += chunk
    })
    this.ended = new Promise((resolve) => {
      this.#pty.onExit(({ exitCode }) => {
        this.#alive = false
        resolve(exitCode)
      })
    })
  }

  /** All that was written so far, without colours and movements. */
  get text(): string {
    return stripVTControlCharacters(this.#output)
  }

  /** Waits until this is written, after what was seen before. */
  async sees(what: RegExp | string): Promise<void> {
    const fresh = (): string => this.text.slice(this.#read)
    try {
      await eventually(() => this.#passes(what, fresh()), `“${String(what)}” in the terminal`, 20_000)
    } catch (error) {
      throw new Error(`the terminal shows: ${fresh()}`, { cause: error })
    }
  }

  #passes(what: RegExp | string, fresh: string): boolean {
    const found = typeof what === 'string' ? what : what.exec(fresh)?.[0]
    const at = found === undefined ? -1 : fresh.indexOf(found)
    if (found !== undefined && at !== -1) {
      this.#read += at + found.length
      return true
    }
    if (!this.#alive) throw new Error('the program has ended')
    return false
  }

  /** Types at the question that is open, once it is there. */
  async answers(question: RegExp | string, ...typed: readonly string[]): Promise<void> {
    await this.sees(question)
    for (const one of typed) this.#pty.write(one)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#alive) this.#pty.kill('SIGKILL')
    await this.ended
  }
}
