import type { Attachment, Place } from './message.ts'

/** One prompt, and all that a provider needs to run it. */
export interface Turn {
  /** Unique among all turns. */
  readonly id: string
  readonly place: Place
  readonly prompt: string
  readonly attachments: readonly Attachment[]
  /** Absolute path of the folder that the agent works in. */
  readonly cwd: string
  /** The session to continue; a new one where there is none. */
  readonly resume?: string
  readonly model?: string
  /** May the agent act without asking? The provider maps the names to its CLI's own. */
  readonly permissionMode: PermissionMode
}

export type PermissionMode = 'ask' | 'acceptEdits' | 'plan' | 'bypassPermissions'

/** As in the Agent Client Protocol. */
export type ToolStatus = 'in_progress' | 'completed' | 'failed'

/**
 * Why a turn ended. `cancelled`: its signal was aborted. `failed`: the CLI could not do it, `error` says why.
 * `limit`: the CLI stopped at a limit of its own (turns, budget, context).
 */
export type StopReason = 'end_turn' | 'cancelled' | 'refusal' | 'limit' | 'failed'

export interface Usage {
  readonly inputTokens?: number
  readonly outputTokens?: number
  /** US dollars, for this turn alone. */
  readonly costUsd?: number
}

export type TurnEvent =
  /** The CLI's own name of the session; it comes again when the CLI changes it. */
  | { readonly type: 'session.started'; readonly sessionId: string }
  /** `block` names one stretch of text: another block is another paragraph, and on some networks another message. */
  | { readonly type: 'text'; readonly delta: string; readonly block?: string }
  /** The text of this block turned out void: the CLI tells it again, or never meant it. */
  | { readonly type: 'text.reset'; readonly block?: string }
  | { readonly type: 'thinking'; readonly delta?: string }
  /** The same id again updates the tool. */
  | {
      readonly type: 'tool'
      readonly id: string
      readonly title: string
      readonly status: ToolStatus
    }
  /** Something that the person should know, in our own words: a retry, a limit, a line that made no sense. */
  | { readonly type: 'notice'; readonly message: string }
  /** The agent waits for leave to act. Answered with `Provider.answer`. */
  | {
      readonly type: 'permission.requested'
      readonly id: string
      /** What it wants to do, in a few words: `Run a command`. */
      readonly title: string
      /** What exactly: the command, the folder, the diff. */
      readonly detail: string
    }
  /** The request needs no answer any more: the CLI took it back or decided by itself. */
  | { readonly type: 'permission.withdrawn'; readonly id: string }
  | {
      readonly type: 'turn.ended'
      readonly stop: StopReason
      /** The whole last answer, if the CLI repeats it; used only where no text came before. */
      readonly text?: string
      /** For a person: what went wrong and what to do about it. */
      readonly error?: string
      readonly usage?: Usage
    }

export interface PermissionAnswer {
  readonly allow: boolean
  /** The same kind of request need not be asked again in this session. */
  readonly remember?: boolean
  /** Told to the agent. */
  readonly reason?: string
}

/** What `doctor` and `status` say about a provider. */
export interface ProviderHealth {
  readonly installed: boolean
  readonly version?: string
  /** Undefined where the CLI cannot tell without a call to its vendor. */
  readonly signedIn?: boolean
  /** What to do, where something is amiss. */
  readonly mend?: string
}

/** Port: a coding-agent CLI. Implemented by each folder of src/providers. */
export interface Provider {
  /**
   * Runs one turn. The last event is always `turn.ended`, and only the last.
   * What the CLI does wrong is an event; a throw is a bug in the provider.
   * Aborting ends the turn and every process that its tools started; `turn.ended` with `cancelled` still comes.
   */
  run(turn: Turn, signal: AbortSignal): AsyncIterable<TurnEvent>
  /** Answers a `permission.requested` of a running turn. False: nobody waits for that answer any more. */
  answer?(turnId: string, requestId: string, answer: PermissionAnswer): boolean
  /** Looks without starting a turn. */
  check?(signal: AbortSignal): Promise<ProviderHealth>
  /** Ends what is kept between turns. */
  close?(): Promise<void>
}
