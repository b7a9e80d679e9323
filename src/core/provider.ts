import type { Attachment, Place } from './message.ts'

/** One prompt, and all that a provider needs to run it. */
export interface Turn {
  /** Unique among all turns. */
  readonly id: string
  readonly place: Place
  /** Which of the place's parallel sessions: `` (empty) for the main one, else its name. */
  readonly strand: string
  readonly prompt: string
  readonly attachments: readonly Attachment[]
  /** Absolute path of the folder that the agent works in. */
  readonly cwd: string
  /** The session to continue; a new one where there is none. */
  readonly resume?: string
  /** What was allowed for the rest of this session: a new process of the CLI holds to it like the one before. */
  readonly grants?: readonly Grant[]
  /** For a new session only, also one in the place of a lost one: what the agent should know from the beginning. */
  readonly instructions?: string
  readonly model?: string
  /** How hard the model thinks, by the CLI's own name for it. */
  readonly effort?: string
  /** Where ductor's own tools are; the same for each turn of a strand. */
  readonly tools?: ToolServer
  /** May the agent act without asking? The provider maps the names to its CLI's own. */
  readonly permissionMode: PermissionMode
}

/** Offers ductor's own tools over MCP. The token is a secret: it never stands in arguments or logs. */
export interface ToolServer {
  readonly name: string
  /** Speaks MCP's streamable HTTP, to those who bring the token as `Authorization: Bearer`. */
  readonly url: string
  readonly token: string
  /** The same on stdio, for a CLI that knows no other way. The environment holds the token. */
  readonly program: {
    readonly command: readonly [string, ...string[]]
    readonly env: Readonly<Record<string, string>>
  }
}

/** `readOnly`: acts that change anything are refused without asking. `plan`: the agent plans and asks before it acts. */
export type PermissionMode = 'readOnly' | 'ask' | 'acceptEdits' | 'plan' | 'bypassPermissions'

/** What a person allowed for the rest of a session. Kept with it, and handed to each of its later turns. */
export interface Grant {
  /** Made and read by the provider alone: exactly what its CLI was told. */
  readonly rule: string
  /** For a person: `Bash(npm test *)`. */
  readonly says: string
}

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
  /** Tokens of the session that the model had before it in its last call. */
  readonly contextTokens?: number
  /** Tokens that the model can have before it. */
  readonly contextWindow?: number
}

/** One step of the agent's plan or list of things to do. */
export interface PlanEntry {
  readonly text: string
  readonly status: 'pending' | 'in_progress' | 'completed'
}

/** Something that the agent asks the person. An answer may always be free text, too. */
export interface Question {
  readonly text: string
  readonly options: readonly { readonly label: string; readonly description?: string }[]
  /** May several options be chosen? */
  readonly multiple: boolean
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
  /** The agent's plan as it stands now; it replaces the one before. */
  | { readonly type: 'plan'; readonly entries: readonly PlanEntry[] }
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
      /** What `detail` is written in, for the look of it: `sh`, `diff`, `json`. */
      readonly language?: string
      /** Can more than this one act be allowed? */
      readonly rememberable?: boolean
      /**
       * What that allows for the rest of the session. Without it the CLI's process alone remembers: what was allowed is
       * asked again when that has ended.
       */
      readonly grant?: Grant
    }
  /** The agent waits for the person's choice or words. Answered with `Provider.reply`. */
  | { readonly type: 'question.asked'; readonly id: string; readonly questions: readonly Question[] }
  /** The request or question needs no answer any more: the CLI took it back or decided by itself. */
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
  /** The same kind of request need not be asked again, as far as `grant` of the request says. */
  readonly remember?: boolean
  /** Told to the agent. */
  readonly reason?: string
}

/**
 * What became of a message for a running turn. `taken`: it goes into the turn. `unsupported`: the CLI cannot do that.
 * `over`: no such turn runs any more.
 */
export type Steered = 'taken' | 'unsupported' | 'over'

export interface Model {
  /** As `Turn.model` takes it. */
  readonly id: string
  readonly name: string
  readonly description?: string
  /** The CLI's names for how hard the model can think; none where there is no choice. */
  readonly efforts: readonly string[]
  readonly isDefault?: boolean
}

/** `asOf`: a list that we keep by hand, and the day (YYYY-MM-DD) on which it was right; else the CLI told it. */
export interface ModelList {
  readonly models: readonly Model[]
  readonly asOf?: string
}

/** A session of the CLI's, wherever it was begun. */
export interface SessionSummary {
  readonly id: string
  /** Its title, or the first words of its first prompt. */
  readonly title: string
  /** Milliseconds since 1970. */
  readonly updatedAt: number
}

/** A turn that the agent began by itself: background work that ended and has something to say. */
export interface UnpromptedTurn {
  /** Unique among all turns; `answer`, `reply` and `steer` take it. */
  readonly id: string
  readonly place: Place
  readonly strand: string
  /** As those of `run`. */
  readonly events: AsyncIterable<TurnEvent>
  /** Ends it, as the signal of `run` does. */
  stop(): void
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
  /**
   * Answers a `question.asked` of a running turn: for each question the labels that were chosen, or the person's own
   * words. False: nobody waits for that answer any more.
   */
  reply?(turnId: string, questionId: string, answers: readonly (readonly string[])[]): boolean
  /** Ends the turn softly: its `turn.ended` (`cancelled`) comes, the process stays. False: no such turn runs. */
  interrupt?(turnId: string): Promise<boolean>
  /** Puts a message into the running turn. */
  steer?(turnId: string, prompt: string, attachments: readonly Attachment[]): Promise<Steered>
  /** Hands over the turns that the agent begins by itself, from now on. Called once, before the first `run`. */
  listen?(receive: (turn: UnpromptedTurn) => void): void
  /** The models that there are, best first. Starts no turn. */
  models?(signal: AbortSignal): Promise<ModelList>
  /** The sessions that were begun in this folder, here or in a terminal, newest first. */
  sessions?(cwd: string, signal: AbortSignal): Promise<readonly SessionSummary[]>
  /** The command that goes on with a session in a terminal, to be typed in `cwd`: program, then arguments. */
  handoff?(sessionId: string, cwd: string): readonly string[]
  /** Lets go of what is kept warm for this strand, so that another program can use its session. */
  release?(place: Place, strand: string): Promise<void>
  /** Looks without starting a turn. */
  check?(signal: AbortSignal): Promise<ProviderHealth>
  /** Ends what is kept between turns. */
  close?(): Promise<void>
}
