import type { FileAccess } from './file-access.ts'
import type { Place } from './message.ts'
import type { PermissionMode, Provider, ToolServer } from './provider.ts'

/** How an agent answers where a conversation has not chosen otherwise. May change while ductor runs. */
export interface AgentSettings {
  /** A name in `Agent.providers`. */
  readonly provider: string
  readonly model?: string
  readonly effort?: string
  readonly permissionMode: PermissionMode
  /** After which a request that nobody answers is denied. */
  readonly permissionTimeoutMs: number
  readonly expiry: SessionExpiry
  /** So many turns run at once; what is beyond waits. */
  readonly mostTurns: number
  readonly fileAccess: FileAccess
  /** Messages that are older when they are heard, or when ductor starts, are not run without asking. */
  readonly backlogMaxAgeMs: number
  /** For so long what is finished is kept. */
  readonly historyMs: number
  /** Does each answer end with a line about what it used? */
  readonly footer: boolean
}

/** When a session counts as over, so that the next message begins a new one. */
export interface SessionExpiry {
  /** Without a message for so long; Infinity: never. */
  readonly idleMs: number
  /** Every day at this hour (0 to 23) of `timeZone`. */
  readonly dailyHour?: number
  /** By its IANA name; undefined: this machine's. */
  readonly timeZone?: string
  /** After so many messages; Infinity: never. */
  readonly messages: number
}

/** One identity: its home, its workspace, the CLIs that it runs. */
export interface Agent {
  readonly name: string
  /** Absolute path of its home folder. */
  readonly home: string
  /** Absolute path of the folder that the CLIs work in. */
  readonly workspace: string
  /** In the order of preference; none of them runs anything yet. */
  readonly providers: ReadonlyMap<string, Provider>
  readonly settings: () => AgentSettings
  /** What a new session should know: the memory, and how this chat works. */
  readonly instructions?: () => Promise<string>
  /** The tools that ductor gives to the CLI of a conversation. */
  readonly toolsFor?: (place: Place, strand: string) => ToolServer
  /** What is said in a voice message; undefined where nobody can tell. Rejects with `UserError`. */
  readonly transcribe?: (path: string, signal: AbortSignal) => Promise<string | undefined>
}
