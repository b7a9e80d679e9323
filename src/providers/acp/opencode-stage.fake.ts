import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { acpStage } from '../../../tests/support/acp-stage.ts'
import { startChatServer } from '../../../tests/support/chat-server.ts'
import { opencodeEnv, realOpencode } from '../../../tests/support/real-opencode.ts'
import { AcpProvider } from '../acp-provider.ts'
import acp from './index.ts'
import { describedAgent } from './known.ts'

/** One for all tests of a file: opencode takes seconds to make itself at home. Its sessions are told by their folders. */
const agentHome = mkdtempSync(join(tmpdir(), 'ductor-opencode-'))
process.on('exit', () => rmSync(agentHome, { recursive: true, force: true, maxRetries: 5 }))

/** A stage with the real opencode and a scripted model. `open` takes further keys of the block. */
export async function opencodeStage() {
  const model = await startChatServer()
  return await acpStage<Readonly<Record<string, unknown>>>(
    (deps, _, keys = {}) => {
      const command = [...realOpencode.command, 'acp']
      const agent = describedAgent('opencode', acp.config.parse({ protocol: 'acp', command, ...keys }))
      return new AcpProvider(agent, deps)
    },
    () => Promise.resolve(opencodeEnv(agentHome, model.url)),
    model,
  )
}
