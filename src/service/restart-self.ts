import { spawn } from 'node:child_process'
import { once } from 'node:events'

/** The exit code that asks for a restart. */
export const restartCode = 42

/**
 * Does somebody start us again when we end with 42: our own service, or any unit of systemd whose program we are? The
 * shells of a desktop's terminal inherit the variables of its unit, and nobody starts again what runs in them.
 */
export function isSupervised(env: NodeJS.ProcessEnv, pid = process.pid): boolean {
  if ((env['DUCTOR_SUPERVISOR'] ?? '') !== '') return true
  const unit = env['SYSTEMD_EXEC_PID'] ?? ''
  return (env['INVOCATION_ID'] ?? '') !== '' && (unit === '' || Number(unit) === pid)
}

/** Seconds: what fails later than this has been at work. */
const startS = 30

/**
 * Has ductor failed at its start, where somebody starts it again at once? What stands in its way (a full disk, say) may
 * last the night, and must neither cost a processor nor let the supervisor give up.
 */
export function wouldFailForEver(
  words: readonly string[],
  code: number,
  env: NodeJS.ProcessEnv,
  uptimeS: number,
): boolean {
  const runs = words.every((word) => word.startsWith('-'))
  return runs && code !== 0 && code !== restartCode && uptimeS < startS && isSupervised(env)
}

const crashVariable = 'DUCTOR_CRASHED_AT'
/** A program that crashes again so soon would do so for ever. */
const calmMs = 60_000

/**
 * After a crash: where nobody else starts it again, this process becomes the program anew, once a minute at most. The
 * store holds all that counts. Returns where it may not or cannot.
 */
export function restartAfterCrash(env: NodeJS.ProcessEnv, now = Date.now()): void {
  const before = Number(env[crashVariable] ?? Number.NaN)
  if (isSupervised(env) || now - before < calmMs || process.execve === undefined) return
  const args = [process.execPath, ...process.execArgv, ...process.argv.slice(1)]
  process.execve(process.execPath, args, { ...env, [crashVariable]: String(now) })
}

/**
 * Begins this program anew with the same arguments, in the same terminal. Where the system can, the process itself
 * becomes the new program and this never returns; elsewhere it resolves with the exit code of a child.
 */
export async function restartSelf(): Promise<number> {
  const args = [...process.execArgv, ...process.argv.slice(1)]
  if (process.platform !== 'win32' && process.execve !== undefined) {
    process.execve(process.execPath, [process.execPath, ...args], process.env)
  }
  const child = spawn(process.execPath, args, { stdio: 'inherit' })
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.removeAllListeners(signal)
    process.on(signal, () => child.kill(signal))
  }
  const [code] = await once(child, 'exit')
  return typeof code === 'number' ? code : 1
}
