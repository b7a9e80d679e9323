import type { z } from 'zod'
import type { Place } from './message.ts'
import type { Provider } from './provider.ts'
import type { SetUp } from './set-up.ts'
import type { Memory, Transport, TransportReport } from './transport.ts'

/** The part of pino's logger that we use. Messages are constants; facts are fields. */
export interface Log {
  debug(fields: object, message: string): void
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

/** What every adapter is given when it is opened. */
export interface AdapterDeps {
  /** Absolute path of the agent's home folder. */
  readonly home: string
  readonly log: Log
  /** What this adapter keeps between runs. */
  readonly memory: Memory
}

export interface TransportDeps extends AdapterDeps {
  /** This process's own environment, its gaps filled from the home's `.env`. */
  readonly env?: Readonly<Record<string, string>>
  /** Says how the transport fares. The first `connected` or `failed` counts as its first try. */
  report(report: TransportReport): void
  /** Something was heard from the network: a proof of life for `status`. */
  heard(): void
  /** What people can call here, for the network's own menu. */
  readonly commands?: readonly { readonly name: string; readonly summary: string }[]
}

export interface ProviderDeps extends AdapterDeps {
  /** This process's own environment, its gaps filled from the home's `.env`. */
  readonly env: Readonly<Record<string, string>>
}

/** A warning about a configuration that is valid but that a person should know about. */
export interface Warning {
  readonly key: string
  readonly message: string
}

/** One line of `ductor doctor`. */
export interface Finding {
  readonly level: 'ok' | 'warning' | 'problem'
  readonly what: string
  /** What to do about it. */
  readonly mend?: string
}

/** What the Python program kept for a network, and what of it can be taken over. */
export interface Heirloom {
  /** For a person, a line each. */
  readonly found: readonly string[]
  /** The place that it called by this key, as `mx:12997533207093120837`; undefined where nobody knows it any more. */
  place(key: string): Place | undefined
  /** Writes it into our home and our memory. */
  take(deps: AdapterDeps): Promise<void>
}

/** Default export of each folder of src/transports. */
export interface TransportDefinition<Config = unknown> {
  /** The folder's name, and the name in `transports`. */
  readonly name: string
  /** What the keys of its places begin with: `tg`, `mx`, `web`. */
  readonly prefix: string
  /** Libraries beyond the base install: npm name to version range. */
  readonly needs?: Readonly<Record<string, string>>
  /** Libraries that `ductor install` brings along with those. `without`: what is less good where one is not there. */
  readonly likes?: Readonly<Record<string, { readonly range: string; readonly without: string }>>
  /** Takes its own keys from the whole file. */
  readonly config: z.ZodType<Config>
  /** Valid, but a person should know: whoever may talk to the bot, a password that is not needed any more. */
  warnings?(config: Config): readonly Warning[]
  /** Looks at the network without starting to listen: is the token good, who are we, who may talk? */
  diagnose?(config: Config, deps: AdapterDeps, signal: AbortSignal): Promise<readonly Finding[]>
  /** Asks a person for all that the configuration needs. A transport without it is configured by hand. */
  readonly setUp?: SetUp
  /** Looks through a home of the Python program (`from`, absolute) and changes nothing there. */
  inherit?(config: Config, from: string): Promise<Heirloom>
  /** Makes the transport without touching the network. */
  open(config: Config, deps: TransportDeps): Transport | Promise<Transport>
}

/** Default export of each folder of src/providers. */
export interface ProviderDefinition<Config = unknown> {
  readonly name: string
  /** The folder's part of `providers.NAME`. */
  readonly config: z.ZodType<Config>
  /** The program's usual names on the PATH; none for one that is built in. */
  readonly programs: readonly string[]
  /**
   * For a folder that serves any CLI of one protocol: the definition of the provider that the block `providers.NAME`
   * describes, where its `protocol` is the folder's name. The folder by itself is then no provider.
   */
  readonly called?: (name: string) => ProviderDefinition<Config>
  open(config: Config, deps: ProviderDeps): Provider | Promise<Provider>
}

export function defineTransport<Config>(
  definition: TransportDefinition<Config>,
): TransportDefinition<Config> {
  return definition
}

export function defineProvider<Config>(definition: ProviderDefinition<Config>): ProviderDefinition<Config> {
  return definition
}
