import assert from 'node:assert/strict'
import { acpStage } from '../../../tests/support/acp-stage.ts'
import { startChatServer } from '../../../tests/support/chat-server.ts'
import { opencodeEnv, realOpencode } from '../../../tests/support/real-opencode.ts'
import { AcpProvider } from '../acp-provider.ts'
import acp from './index.ts'

/** A stage with the real opencode and a scripted model. `open` takes further keys of the block. */
export async function opencodeStage() {
  const model = await startChatServer()
  return await acpStage<Readonly<Record<string, unknown>>>(
    (deps, _, keys = {}) => {
      const opencode = acp.called?.('opencode') ?? acp
      const command = [...realOpencode.command, 'acp']
      const provider = opencode.open(opencode.config.parse({ protocol: 'acp', command, ...keys }), deps)
      assert.ok(provider instanceof AcpProvider)
      return provider
    },
    (home) => Promise.resolve(opencodeEnv(home, model.url)),
    model,
  )
}
