import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { UserError } from '../core/user-error.ts'
import { findProgram } from '../lib/find-program.ts'

/** npm of the PATH, or the one that came with this Node. Throws `UserError` where there is none. */
export function npmProgram(env: NodeJS.ProcessEnv): string {
  const beside = join(dirname(process.execPath), process.platform === 'win32' ? 'npm.cmd' : 'npm')
  const found = findProgram('npm', env) ?? (existsSync(beside) ? beside : undefined)
  if (found !== undefined) return found
  throw new UserError(
    'npm was not found on the PATH. It comes with Node (https://nodejs.org); some systems have it as a package of its own, named npm.',
  )
}

/** Resolves with what npm printed. Its progress is shown on a terminal. Throws `UserError` with its last words. */
export function runNpm(
  npm: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  cwd = process.cwd(),
): Promise<string> {
  const terminal = process.stderr.isTTY
  return new Promise((resolve, reject) => {
    const child = spawn(npm, [...args, '--no-audit', '--no-fund', '--no-update-notifier'], {
      cwd,
      env: withOurNode(env),
      shell: process.platform === 'win32',
      stdio: ['ignore', 'pipe', terminal ? 'inherit' : 'pipe'],
    })
    let printed = ''
    let said = ''
    child.stdout?.on('data', (chunk: Buffer) => {
      printed = (printed + chunk.toString()).slice(-100_000)
    })
    child.stderr?.on('data', (chunk: Buffer) => {
      said = (said + chunk.toString()).slice(-4000)
    })
    child.once('error', reject)
    child.once('close', (code) => {
      if (code === 0) return resolve(printed)
      const why = said.trim() === '' ? '' : `:\n${said.trim()}`
      reject(new UserError(`“npm ${args.join(' ')}” did not succeed (exit ${code})${why}`))
    })
  })
}

/** npm and what it runs shall use the Node that we run on, whichever stands first on the PATH. */
function withOurNode(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return { ...env, PATH: [dirname(process.execPath), env['PATH'] ?? ''].join(delimiter) }
}
