import type { Message } from './message.ts'
import type { Offer } from './notices.ts'
import type { ModelList, SessionSummary, Steered } from './provider.ts'
import type { SessionRow, StrandRow, TraceLine } from './store.ts'
import type { OwnCommand, Transport } from './transport.ts'

/** What a command answers: plain text, letters of a fixed width under it, things to press. */
export interface CommandAnswer {
  readonly text: string
  readonly code?: string
  readonly offers?: readonly Offer[]
}

/** What a command is called with. */
export interface CommandCall {
  readonly message: Message
  /** What followed the command's name, trimmed. */
  readonly args: string
  readonly commands: readonly Command[]
  /** Those that only the network has that it came over. */
  readonly ownCommands: readonly OwnCommand[]
  /** What the commands begin with here, the preferred first. */
  readonly prefix: string
  readonly control: Control
}

export interface ConversationStatus {
  readonly strand: string
  readonly provider: string
  readonly model: string | undefined
  readonly effort: string | undefined
  readonly session: SessionRow | undefined
  /** What was allowed for the rest of the session. */
  readonly granted: readonly string[]
  /** Milliseconds since the running turn began. */
  readonly runningMs: number | undefined
  /** Its next turn waits until fewer run elsewhere. */
  readonly crowdedOut: boolean
  /** Requests and questions that wait for an answer. */
  readonly asked: number
  readonly queued: number
  readonly workspace: string
  readonly uptimeMs: number
  readonly warnings: readonly string[]
}

export interface Stopped {
  /** Turns that ran and have ended. */
  readonly stopped: number
  /** Messages that waited and will not be run. */
  readonly dropped: number
}

/** How a sub-agent fares. */
export interface AgentState {
  readonly name: string
  readonly provider: string | null
  readonly state: 'starting' | 'running' | 'failed' | 'stopped'
  readonly detail: string | null
  /** `telegram @coder_bot`. */
  readonly transports: readonly string[]
}

/** The sub-agents of an installation. What concerns one that is not there throws `UserError`. */
export interface Agents {
  list(): readonly AgentState[]
  /** What is wrong with the file that lists them, a line each. */
  readonly problems: readonly string[]
  startAgent(name: string): Promise<void>
  stopAgent(name: string): Promise<void>
  restartAgent(name: string): Promise<void>
}

/** What a chat command can do, in the place and for the session that it was written in. */
export interface Control {
  /** The session that the command concerns: `` (empty) is the main one. */
  readonly strand: string
  /** The names of the providers that there are, the preferred first. */
  readonly providers: readonly string[]
  /** Ends what runs and drops what waits, in this place or in one session of it; tells only what is true afterwards. */
  stop(strand?: string): Promise<Stopped>
  /** Ends the running turn softly. `stopped`: the provider cannot do that, and it was ended as `/stop` does. */
  interrupt(): Promise<'interrupted' | 'stopped' | 'idle'>
  /** Puts words into the running turn; where none runs they are run as a message. */
  now(text: string): Promise<Steered | 'run'>
  /** Forgets the session: the next message begins a new one. */
  fresh(): Promise<void>
  status(): ConversationStatus
  /** What waits, in order. */
  queue(): readonly { readonly seq: number; readonly text: string; readonly strand: string }[]
  /** The parallel sessions of this place. */
  strands(): readonly (StrandRow & { readonly running: boolean; readonly queued: number })[]
  /** Runs a prompt in a parallel session, which it makes if need be. Throws `UserError`. */
  run(strand: string, prompt: string): Promise<void>
  /** Ends a parallel session. False: there is none of that name. */
  endStrand(name: string): Promise<boolean>
  /** The models of a provider, this conversation's if none is named. Undefined: it has no list. Throws `UserError`. */
  models(provider?: string): Promise<ModelList | undefined>
  /** This conversation's own choice; undefined takes it back. */
  choose(choice: { provider?: string; model?: string; effort?: string }): Promise<void>
  /** Sessions that were begun in the workspace, newest first. Undefined: the provider cannot tell. */
  sessions(): Promise<readonly SessionSummary[] | undefined>
  resume(session: string): Promise<void>
  /** The command that goes on with this session in a terminal; undefined: none, or none yet. */
  handoff(): Promise<string | undefined>
  /** What the agent keeps in mind between sessions; undefined: nothing. */
  memory(): Promise<string | undefined>
  /** What is in a folder, to look into and to be sent. Throws `UserError`. */
  browse(path: string): Promise<CommandAnswer>
  /** The life of the message that this command answers; empty where nothing is known of it. */
  trace(messageId: string): readonly TraceLine[]
  /** The last lines of the log, oldest first. */
  diagnose(): Promise<{ readonly facts: readonly string[]; readonly log: readonly string[] }>
  /** The sub-agents; undefined for an agent that looks after no others. */
  readonly agents: Agents | undefined
  /** Ends ductor in good order and starts it again. `done`: it has begun anew since it was asked for. */
  restart(): Promise<'begins' | 'done' | 'impossible'>
}

/** The headings that help puts the commands under, in this order. */
export type CommandGroup = 'conversation' | 'agent' | 'ductor'

/** A chat command: the same on every transport. Help and menus are made from these facts. */
export interface Command {
  readonly name: string
  readonly aliases?: readonly string[]
  readonly summary: string
  readonly group: CommandGroup
  /** How it is called beyond its name: `NAME PROMPT`. */
  readonly usage?: string
  /** `owner`: only in a private chat, or by those who may talk everywhere; for what concerns the whole installation. */
  readonly needs?: 'owner'
  /** Throws `UserError`: its sentence is the answer. */
  run(call: CommandCall): Promise<string | CommandAnswer>
}

/** All that can be called over this transport and is carried out by us: what all have, and what it alone has. */
export function commandsOn(
  transport: Transport | undefined,
  commands: readonly Command[],
): readonly Command[] {
  return [...commands, ...(transport?.ownCommands ?? []).flatMap(asCommand)]
}

function asCommand({ name, summary, usage, run }: OwnCommand): readonly Command[] {
  if (run === undefined) return []
  const command: Command = {
    name,
    summary,
    group: 'ductor',
    ...(usage === undefined ? {} : { usage }),
    async run({ args, message }) {
      const { text, offers = [] } = await run(args, message.place)
      return {
        text,
        offers: offers.map(({ args: words, ...offer }) => ({
          ...offer,
          action: { do: 'command', name: `${name} ${words}` },
        })),
      }
    },
  }
  return [command]
}

/** The command that `text` calls, if it is one of `commands`; anything else is a prompt. */
export function parseCommand(
  text: string,
  prefixes: readonly string[],
  commands: readonly Command[],
): { readonly command: Command; readonly args: string } | undefined {
  const prefix = prefixes.find((candidate) => text.startsWith(candidate))
  if (prefix === undefined) return undefined
  const [, word = '', args = ''] = /^(\S*)\s*([\s\S]*)$/.exec(text.slice(prefix.length)) ?? []
  const name = word.toLowerCase()
  const command = commands.find((one) => one.name === name || one.aliases?.includes(name) === true)
  return command === undefined ? undefined : { command, args: args.trim() }
}
