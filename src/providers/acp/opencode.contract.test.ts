import assert from 'node:assert/strict'
import { providerContract } from '../../../tests/contracts/provider.ts'
import { acpStage } from '../../../tests/support/acp-stage.ts'
import { startChatServer } from '../../../tests/support/chat-server.ts'
import { opencodeEnv, realOpencode } from '../../../tests/support/real-opencode.ts'
import { AcpProvider } from '../acp-provider.ts'
import acp from './index.ts'

const skip = await realOpencode.why()

async function stage() {
  const model = await startChatServer()
  return await acpStage(
    (deps) => {
      const opencode = acp.called?.('opencode') ?? acp
      const settings = opencode.config.parse({ protocol: 'acp', command: [...realOpencode.command, 'acp'] })
      const provider = opencode.open(settings, deps)
      assert.ok(provider instanceof AcpProvider)
      return provider
    },
    (home) => Promise.resolve(opencodeEnv(home, model.url)),
    model,
  )
}

providerContract('opencode', stage, skip)
