import type { Message } from './message.ts'

/** What a chat command can do to the conversation that it was written in. */
export interface CommandCall {
  readonly message: Message
  /** What followed the command's name, trimmed. */
  readonly args: string
  readonly commands: readonly Command[]
  /** What the commands begin with here, the preferred first. */
  readonly prefix: string
  /** Ends the running turn and drops what waits; tells only what is true afterwards. */
  readonly stop: () => Promise<{ readonly stopped: boolean; readonly dropped: number }>
  /** Forgets the agent's session: the next message begins a new one. */
  readonly fresh: () => Promise<void>
  readonly status: () => ConversationStatus
}

export interface ConversationStatus {
  readonly provider: string
  readonly session: string | undefined
  /** Milliseconds since the running turn began. */
  readonly runningMs: number | undefined
  readonly queued: number
  readonly uptimeMs: number
  readonly warnings: readonly string[]
}

/** A chat command: the same on every transport. Help and menus are made from these facts. */
export interface Command {
  readonly name: string
  readonly aliases?: readonly string[]
  readonly summary: string
  /** Resolves with what to answer, in plain text. */
  run(call: CommandCall): Promise<string>
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
