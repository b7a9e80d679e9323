// Started by a CLI that speaks MCP only on stdio: passes each call on to the ductor that runs.
import { StdioServerTransport } from '@modelcontextprotocol/server/stdio'
import { channelVariables, outcome, type Outcome, type ToolCall } from './definitions.ts'
import { mcpServer } from './mcp-server.ts'

const url = process.env[channelVariables.url]
const token = process.env[channelVariables.token]

async function pass(call: ToolCall): Promise<Outcome> {
  try {
    if (url === undefined) throw new Error('no address')
    const response = await fetch(url, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify(call),
    })
    return outcome.parse(await response.json())
  } catch {
    // It was stopped, or restarted under another address: the next session is told that one.
    return { text: 'ductor does not answer any more.', failed: true }
  }
}

await mcpServer(pass).connect(new StdioServerTransport())
