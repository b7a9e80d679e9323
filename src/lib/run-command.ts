import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

const run = promisify(execFile)

/**
 * Runs a program to its end and resolves with its stdout. Rejects when it fails, takes longer than `timeoutMs` or is
 * not there; the error's message is of the form `cmd (reason): stderr`, cut to a few lines.
 */
export async function runCommand(
  [program, ...args]: readonly [string, ...string[]],
  { timeoutMs, signal }: { readonly timeoutMs: number; readonly signal: AbortSignal },
): Promise<string> {
  try {
    const { stdout } = await run(program, args, { timeout: timeoutMs, signal, maxBuffer: 4 * 1024 * 1024 })
    return stdout
  } catch (error) {
    const facts = error instanceof Error ? error : new Error(String(error))
    const stderr =
      'stderr' in facts && typeof facts.stderr === 'string' ? facts.stderr.trim().slice(-300) : ''
    const code = 'code' in facts ? String(facts.code) : 'no code'
    throw new Error(`${program} (${code})${stderr === '' ? '' : `: ${stderr}`}`, { cause: error })
  }
}
