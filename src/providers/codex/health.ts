import { execFile } from 'node:child_process'
import type { ProviderDeps } from '../../core/define.ts'

const timeoutMs = 15_000

/** The program's version; undefined where it does not start. */
export async function versionOf(
  command: readonly string[],
  deps: Pick<ProviderDeps, 'home' | 'env'>,
  signal: AbortSignal,
): Promise<string | undefined> {
  const { stdout, failed } = await ask(command, ['--version'], deps, signal)
  return failed ? undefined : (/\d+\.\d+\.\d+\S*/.exec(stdout)?.[0] ?? 'unknown')
}

/** Is somebody signed in? Does not call the vendor, and knows nothing of model providers with a key of their own. */
export async function loggedIn(
  command: readonly string[],
  deps: Pick<ProviderDeps, 'home' | 'env'>,
  signal: AbortSignal,
): Promise<boolean> {
  return !(await ask(command, ['login', 'status'], deps, signal)).failed
}

function ask(
  [program = 'codex', ...first]: readonly string[],
  args: readonly string[],
  { home, env }: Pick<ProviderDeps, 'home' | 'env'>,
  signal: AbortSignal,
): Promise<{ readonly stdout: string; readonly failed: boolean }> {
  return new Promise((resolve) => {
    execFile(program, [...first, ...args], { cwd: home, env, signal, timeout: timeoutMs }, (error, stdout) =>
      resolve({ stdout, failed: error !== null }),
    )
  })
}
