import { execFile } from 'node:child_process'
import { z } from 'zod'
import type { ProviderDeps } from '../../core/define.ts'
import type { ProviderHealth } from '../../core/provider.ts'

const timeoutMs = 15_000
const status = z.object({ loggedIn: z.boolean() })

/** Asks the program for its version and whether it is signed in; neither calls the vendor. */
export async function health(
  command: readonly string[],
  deps: Pick<ProviderDeps, 'home' | 'env'>,
  signal: AbortSignal,
): Promise<ProviderHealth> {
  const version = await ask(command, ['--version'], deps, signal)
  if (version.failed)
    return {
      installed: false,
      mend: 'Claude Code does not start. Install it with `npm install -g @anthropic-ai/claude-code`, or name it in `providers.claude.command`.',
    }
  const number = /\d+\.\d+\.\d+\S*/.exec(version.stdout)?.[0]
  const common = { installed: true, ...(number === undefined ? {} : { version: number }) }
  // It exits with 1 where nobody is signed in, and says so on stdout all the same.
  const signedIn = signedInOf((await ask(command, ['auth', 'status', '--json'], deps, signal)).stdout)
  if (signedIn === undefined) return common
  const mend = 'Run `claude auth login` on this machine, or set ANTHROPIC_API_KEY.'
  return { ...common, signedIn, ...(signedIn ? {} : { mend }) }
}

function signedInOf(stdout: string): boolean | undefined {
  try {
    return status.parse(JSON.parse(stdout)).loggedIn
  } catch {
    // An older or newer Claude that words it otherwise: not known.
    return undefined
  }
}

function ask(
  [program = 'claude', ...first]: readonly string[],
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
