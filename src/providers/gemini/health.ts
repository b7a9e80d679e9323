import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import type { ProviderHealth } from '../../core/provider.ts'

const timeoutMs = 15_000
const settings = z.object({
  security: z.object({ auth: z.object({ selectedType: z.string().optional() }).optional() }).optional(),
})

/** Asks the program for its version, and its files whether somebody is signed in. Calls nobody. */
export async function health(
  [program, ...first]: readonly [string, ...string[]],
  {
    root,
    env,
    cwd,
  }: { readonly root: string; readonly env: Readonly<Record<string, string>>; readonly cwd: string },
  signal: AbortSignal,
): Promise<ProviderHealth> {
  const said = await new Promise<string | undefined>((resolve) => {
    execFile(program, [...first, '--version'], { cwd, env, signal, timeout: timeoutMs }, (error, stdout) =>
      resolve(error === null ? stdout : undefined),
    )
  })
  if (said === undefined)
    return {
      installed: false,
      mend: 'Gemini CLI does not start. Install it with `npm install -g @google/gemini-cli`, or name it in `providers.gemini.command`.',
    }
  const version = /\d+\.\d+\.\d+\S*/.exec(said)?.[0]
  const signedIn = await isSignedIn(root, env)
  return {
    installed: true,
    ...(version === undefined ? {} : { version }),
    ...(signedIn === undefined ? {} : { signedIn }),
    ...(signedIn === false ? { mend: signIn } : {}),
  }
}

export const signIn =
  'Run `gemini` on this machine and sign in, or choose an API key there and set GEMINI_API_KEY in the `.env` of the home folder.'

/** Undefined where it cannot be known without a start. */
async function isSignedIn(root: string, env: Readonly<Record<string, string>>): Promise<boolean | undefined> {
  const text = await readFile(join(root, 'settings.json'), 'utf8').catch(() => '{}')
  const keyed = Boolean(env['GEMINI_API_KEY']) || existsSync(join(root, 'gemini-credentials.json'))
  switch (selectedType(text)) {
    case 'gemini-api-key':
      return keyed
    case 'oauth-personal':
      // It may also be in the keychain of the system, where we do not look.
      return existsSync(join(root, 'oauth_creds.json')) || undefined
    case undefined:
      return Boolean(env['GOOGLE_GEMINI_BASE_URL'])
    default:
      // Vertex AI, a gateway, the machine's own account: signed in by other means.
      return true
  }
}

function selectedType(text: string): string | undefined {
  try {
    return settings.safeParse(JSON.parse(text)).data?.security?.auth?.selectedType
  } catch {
    // With comments in it, as Gemini allows: it is somebody's own work, so somebody has set it up.
    return 'unknown'
  }
}
