import { readdirSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { acpStage } from '../../../tests/support/acp-stage.ts'
import { startGeminiServer } from '../../../tests/support/gemini-server.ts'
import { geminiEnv, realGemini } from '../../../tests/support/real-gemini.ts'
import { AcpProvider } from '../acp-provider.ts'
import { geminiAgent } from './agent.ts'
import { config } from './config.ts'

/** A stage with the real Gemini and a scripted model. Each `open` comes some minutes after the one before. */
export async function geminiStage({ signedIn = true }: { readonly signedIn?: boolean } = {}) {
  const model = await startGeminiServer()
  return await acpStage<{ readonly command: readonly string[] }>(
    (deps, home, { command } = realGemini) => {
      minutesLater(home)
      const { agent, env } = geminiAgent(config.parse({ command }), deps)
      return new AcpProvider(agent, { ...deps, env })
    },
    (home) => geminiEnv(home, model.url, signedIn),
    model,
  )
}

/** What Gemini has written so far, it has written in an earlier minute: nobody need wait for the next. */
function minutesLater(home: string): void {
  const files = readdirSync(join(home, '.gemini'), { recursive: true, encoding: 'utf8' })
  for (const file of files.filter((name) => /session-20\d\d-[\dT-]+-\w{8}\.jsonl$/.test(name))) {
    const earlier = file.replace(/session-20\d\d/, 'session-2020')
    renameSync(join(home, '.gemini', file), join(home, '.gemini', earlier))
  }
}
