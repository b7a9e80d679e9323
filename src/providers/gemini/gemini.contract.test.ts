import assert from 'node:assert/strict'
import { readdirSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { providerContract } from '../../../tests/contracts/provider.ts'
import { acpStage } from '../../../tests/support/acp-stage.ts'
import { startGeminiServer } from '../../../tests/support/gemini-server.ts'
import { geminiEnv, realGemini } from '../../../tests/support/real-gemini.ts'
import { AcpProvider } from '../acp-provider.ts'
import gemini from './index.ts'

const skip = await realGemini.why()

async function stage() {
  const model = await startGeminiServer()
  return await acpStage(
    (deps, home) => {
      minutesLater(home)
      const provider = gemini.open(gemini.config.parse({ command: realGemini.command }), deps)
      assert.ok(provider instanceof AcpProvider)
      return provider
    },
    (home) => geminiEnv(home, model.url),
    model,
  )
}

/** What Gemini has written so far, it has written in an earlier minute: nobody need wait for the next. */
function minutesLater(home: string): void {
  const files = readdirSync(join(home, '.gemini'), { recursive: true, encoding: 'utf8' })
  for (const file of files.filter((name) => /session-[\dT-]+-\w{8}\.jsonl$/.test(name))) {
    const earlier = file.replace(/session-\d{4}/, 'session-2020')
    renameSync(join(home, '.gemini', file), join(home, '.gemini', earlier))
  }
}

providerContract('gemini', stage, skip)
