import { ConfigWatch, type ConfigChange } from '../config/config-watch.ts'
import type { Adapters, LoadedConfig } from '../config/load.ts'
import type { CoreConfig } from '../config/schema.ts'
import type { Log } from '../core/define.ts'

/** The settings as they stand now, while config.json may change below a running ductor. */
export class LiveConfig implements Disposable {
  readonly #log: Log
  /** Called with each new configuration that is good. */
  changed: (config: LoadedConfig) => void = () => {}
  /** Called when the file cannot be used, and with nothing when it is good again. */
  complained: (problems: readonly string[]) => void = () => {}
  #config: LoadedConfig
  #problems: readonly string[] = []
  /** Changed keys that wait for a restart. */
  #waiting: readonly string[] = []
  #watch: ConfigWatch | undefined

  constructor(config: LoadedConfig, log: Log) {
    this.#config = config
    this.#log = log
  }

  /** Looks after the file from now on. */
  async follow(home: string, adapters: Adapters): Promise<void> {
    this.#watch = await ConfigWatch.start({
      home,
      adapters,
      changed: (change) => this.#take(change),
      wrong: (problems) => this.#complain(problems),
    })
  }

  [Symbol.dispose](): void {
    this.#watch?.[Symbol.dispose]()
  }

  get core(): CoreConfig {
    return this.#config.core
  }

  /** What a person should know about the configuration, a line each. */
  get warnings(): readonly string[] {
    return [
      ...this.#problems.map(
        (problem) => `config.json cannot be used, so the settings of before hold: ${problem}`,
      ),
      ...(this.#waiting.length === 0
        ? []
        : [`config.json has changed in ${this.#waiting.join(', ')}: restart ductor (“ductor restart”)`]),
      ...this.#config.warnings.map(({ key, message }) => `${key}: ${message}`),
    ]
  }

  #take({ config, hot, waiting }: ConfigChange): void {
    this.#config = config
    this.#waiting = waiting
    this.#log.info({ hot, waiting }, 'config.json has changed')
    this.changed(config)
  }

  #complain(problems: readonly string[]): void {
    this.#problems = problems
    this.complained(problems)
    if (problems.length === 0) this.#log.info({}, 'config.json is good again')
    else this.#log.warn({ problems }, 'config.json cannot be used; the settings of before hold')
  }
}
