/** What shall run, wherever it does. */
export interface ServicePlan {
  /** `ductor`, or `ductor-NAME` for another home than the usual one. */
  readonly name: string
  /** The program and its arguments, absolute. */
  readonly command: readonly [string, ...string[]]
  /** What it finds in its environment: DUCTOR_HOME, PATH, DUCTOR_SUPERVISOR. */
  readonly env: Readonly<Record<string, string>>
  readonly home: string
  /** The person's own home folder. */
  readonly userHome: string
  /** Seconds that running turns have when it is stopped. */
  readonly graceSeconds: number
}

export interface Command {
  readonly program: string
  readonly args: readonly string[]
  /** It is well if this does not succeed. */
  readonly optional?: boolean
  /** Variables that it needs beside those of this process. */
  readonly env?: Readonly<Record<string, string>>
  /** What to do where it did not succeed, by what it said. */
  readonly mend?: (said: string) => string | undefined
}

/** How a system that starts programs is told to start ours: files, and commands for each step. */
export interface ServiceRecipe {
  /** `systemd`, `launchd`, `Task Scheduler`. */
  readonly system: string
  readonly files: readonly { readonly path: string; readonly text: string }[]
  /** Fail where that system cannot be talked to; run before anything is written. */
  readonly reach: readonly Command[]
  readonly install: readonly Command[]
  readonly start: readonly Command[]
  readonly stop: readonly Command[]
  readonly status: readonly Command[]
  readonly logs: readonly Command[]
  /** Run before the files are removed. */
  readonly uninstall: readonly Command[]
  readonly afterUninstall: readonly Command[]
  /** When the system starts it, as it stands now: a sentence. */
  readonly begins: () => string
}

export function command(
  line: readonly [string, ...string[]],
  more: Omit<Command, 'program' | 'args'> = {},
): Command {
  const [program, ...args] = line
  return { program, args, ...more }
}
