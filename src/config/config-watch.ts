import { watch, type FSWatcher } from 'node:fs'
import { basename, dirname } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { configPath, readConfigFile, type File } from './file.ts'
import { hotKeys } from './hot-keys.ts'
import { judge, type Adapters, type LoadedConfig } from './load.ts'
import { sentence } from './problem.ts'

/** A new file that is good. Keys are those at the top of the file. */
export interface ConfigChange {
  readonly config: LoadedConfig
  /** The changed keys that a running ductor acts on. */
  readonly hot: readonly string[]
  /** All keys that are not what they were at the start, and wait for a restart. */
  readonly waiting: readonly string[]
}

export interface ConfigWatchOptions {
  readonly home: string
  readonly adapters: Adapters
  readonly changed: (change: ConfigChange) => void
  /** The file cannot be used: a line each. What was good before goes on to hold. Empty: it is as it was, and good. */
  readonly wrong: (problems: readonly string[]) => void
  /** Where the system tells nothing of changes, they are noticed after so many milliseconds. */
  readonly pollMs?: number
}

/** Editors write a file in several steps. */
const settleMs = 100

/** Looks after config.json while ductor runs. Never writes it. Never throws: what is wrong is told. */
export class ConfigWatch implements Disposable {
  readonly #options: ConfigWatchOptions
  readonly #path: string
  /** What ductor runs on, but for the keys that it acts on. */
  #first: File | undefined
  #last: File | undefined
  #problems: readonly string[] = []
  #watcher: FSWatcher | undefined
  #settling: NodeJS.Timeout | undefined
  #poll: NodeJS.Timeout | undefined
  #looking: Promise<void> = Promise.resolve()
  #ended = false

  private constructor(options: ConfigWatchOptions) {
    this.#options = options
    this.#path = configPath(options.home)
  }

  /** Begins with the file as it is now. */
  static async start(options: ConfigWatchOptions): Promise<ConfigWatch> {
    const self = new ConfigWatch(options)
    const read = await readConfigFile(self.#path)
    self.#first = read === 'missing' || 'problem' in read ? undefined : read.file
    self.#last = self.#first
    self.#listen()
    self.#poll = setInterval(() => self.#look(), options.pollMs ?? 5000)
    self.#poll.unref()
    return self
  }

  /** What is wrong with the file at this moment, for `status`. */
  get problems(): readonly string[] {
    return this.#problems
  }

  [Symbol.dispose](): void {
    this.#ended = true
    this.#watcher?.close()
    clearTimeout(this.#settling)
    clearInterval(this.#poll)
  }

  /** The folder is watched, and not the file: an editor may put another file in its place. */
  #listen(): void {
    try {
      this.#watcher = watch(dirname(this.#path), { persistent: false }, (_event, name) => {
        if (name !== null && name !== basename(this.#path)) return
        clearTimeout(this.#settling)
        this.#settling = setTimeout(() => this.#look(), settleMs)
      })
      this.#watcher.on('error', () => this.#watcher?.close())
    } catch {
      // No such folder, or a system without watching: the poll sees it as well.
    }
  }

  #look(): void {
    this.#looking = this.#looking.then(() => this.#compare())
  }

  async #compare(): Promise<void> {
    if (this.#ended) return
    const read = await readConfigFile(this.#path)
    if (read === 'missing') return this.#tell([`${this.#path} is gone`])
    if ('problem' in read) return this.#tell([sentence(read.problem)])
    const { file } = read
    if (isDeepStrictEqual(file, this.#last)) return this.#tell([])
    const judged = await judge(this.#path, file, this.#options.adapters)
    if (this.#ended) return
    if (judged.state === 'wrong') return this.#tell(judged.problems.map((problem) => sentence(problem)))
    const changed = changedKeys(this.#last ?? {}, file)
    this.#last = file
    this.#tell([])
    this.#options.changed({
      config: judged.config,
      hot: changed.filter((key) => hotKeys.has(key)),
      waiting: changedKeys(this.#first ?? {}, file).filter((key) => !hotKeys.has(key)),
    })
  }

  /** Says each thing once. */
  #tell(problems: readonly string[]): void {
    if (isDeepStrictEqual(problems, this.#problems)) return
    this.#problems = problems
    this.#options.wrong(problems)
  }
}

function changedKeys(before: File, after: File): string[] {
  return [...new Set([...Object.keys(before), ...Object.keys(after)])]
    .filter((key) => !isDeepStrictEqual(before[key], after[key]))
    .toSorted()
}
