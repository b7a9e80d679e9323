/** The exit code that says: start me again. */
export const restartCode = 42

/** Is there somebody who starts it again when it ends with that code? */
export function canRestart(env: Readonly<Record<string, string | undefined>> = process.env): boolean {
  return env['DUCTOR_SUPERVISOR'] !== undefined || env['INVOCATION_ID'] !== undefined
}
