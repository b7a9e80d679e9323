import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { cliEnv, installedCli } from './install-cli.ts'

/** The real Gemini CLI. */
export const realGemini = installedCli({
  name: 'gemini',
  package: '@google/gemini-cli',
  version: '0.61.0',
  program: 'node_modules/@google/gemini-cli/bundle/gemini.js',
})

/** The whole environment of a Gemini that talks to `modelUrl`. `home` is a fresh folder; `signedIn` with a dummy key. */
export async function geminiEnv(
  home: string,
  modelUrl: string,
  signedIn = true,
): Promise<Record<string, string>> {
  await mkdir(join(home, '.gemini'), { recursive: true })
  const settings = {
    security: signedIn ? { auth: { selectedType: 'gemini-api-key' } } : {},
    // It would try ten times, for minutes.
    general: { maxAttempts: 1, enableAutoUpdate: false },
  }
  await writeFile(join(home, '.gemini/settings.json'), JSON.stringify(settings))
  return {
    ...cliEnv(home),
    ...(signedIn ? { GEMINI_API_KEY: 'sk-test-dummy', GOOGLE_GEMINI_BASE_URL: modelUrl } : {}),
  }
}
