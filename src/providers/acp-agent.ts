import type { ProviderHealth, SessionSummary, Turn, TurnEvent } from '../core/provider.ts'
import type { Named } from './acp-failure.ts'
import type { ProcessLedger } from './process-ledger.ts'

/** Milliseconds. */
export interface Patience {
  /** From its start to its first answer. */
  readonly startMs: number
  /** From a cancel to its confirmation. */
  readonly cancelMs: number
  /** From SIGTERM to SIGKILL. */
  readonly killMs: number
  /** Silence in a turn after which the person is told. */
  readonly noticeMs: number
  /** Silence in a turn after which it is ended. */
  readonly silenceMs: number
  /** The same while a tool runs, which may well be silent. */
  readonly toolSilenceMs: number
  /** What the agent says by itself is over after so long a silence. */
  readonly strayMs: number
}

export const defaultPatience: Patience = {
  startMs: 60_000,
  cancelMs: 2000,
  killMs: 2000,
  noticeMs: 30_000,
  silenceMs: 5 * 60_000,
  toolSilenceMs: 60 * 60_000,
  strayMs: 2000,
}

/** One agent that speaks the protocol, and what is special about it. */
export interface AcpAgent extends Named {
  /** Program and arguments that make it speak the protocol on its standard input and output. */
  readonly command: readonly [string, ...string[]]
  readonly idleMs: number
  readonly maxWarm: number
  readonly patience: Patience
  /** Bytes; a longer line is left out. */
  readonly lineLimit?: number
  /** The exit code by which it says that nobody is signed in. */
  readonly signedOutCode?: number
  /** A line that it writes for people, in the place of the protocol, where nobody is signed in. */
  readonly signedOutLine?: RegExp
  /** What it tells as if the model had said it; a chunk each. */
  readonly asides?: RegExp
  /** It tells the history of a loaded session after it has answered, and ends with its list of commands. */
  readonly replaysLate?: boolean
  /** Milliseconds to wait before this session may be loaded without harm. */
  loadsIn?(sessionId: string): Promise<number>
  /** Called right after a load, also one that failed. */
  afterLoad?(sessionId: string): Promise<void>
  /** Where it cannot list its sessions by the protocol. */
  sessions?(cwd: string): Promise<readonly SessionSummary[]>
  /** Program and arguments that go on with a session in a terminal. */
  handoff?(sessionId: string): readonly string[]
  /** Runs a turn in a process of its own, where the agent does not begin to speak the protocol. */
  oneShot?(turn: Turn, signal: AbortSignal, ledger: ProcessLedger): AsyncIterable<TurnEvent>
  /** Where it can be known without a start of the agent. */
  check?(signal: AbortSignal): Promise<ProviderHealth>
}
