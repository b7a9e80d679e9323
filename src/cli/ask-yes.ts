import { createInterface } from 'node:readline/promises'
import { UserError } from '../core/user-error.ts'

/** Asks for a yes in the terminal; anything else is a no. Where nobody can answer, `--yes` must have been given. */
export async function askYes(question: string, given: boolean): Promise<boolean> {
  if (given) return true
  if (!process.stdin.isTTY || !process.stdout.isTTY) {
    throw new UserError('This is no terminal, so nobody can be asked: --yes does it without asking.')
  }
  const terminal = createInterface({ input: process.stdin, output: process.stdout })
  try {
    return /^y(?:es)?$/i.test((await terminal.question(`${question} [y/N] `)).trim())
  } catch {
    // Ctrl-C or the end of the input: nobody has said yes.
    return false
  } finally {
    terminal.close()
  }
}
