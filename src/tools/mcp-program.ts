// Started by a CLI that speaks MCP only on stdio: passes each call on to the ductor that runs.
import { once } from 'node:events'
import { request, type IncomingMessage } from 'node:http'
import { json } from 'node:stream/consumers'
import { StdioServerTransport } from '@modelcontextprotocol/server/stdio'
import { channelVariables, outcome, type Outcome, type ToolCall } from './definitions.ts'
import { mcpServer } from './mcp-server.ts'

const url = process.env[channelVariables.url]
const token = process.env[channelVariables.token]

async function pass(call: ToolCall): Promise<Outcome> {
  try {
    if (url === undefined) throw new Error('no address')
    // Not `fetch`, which gives up after five minutes: another agent may take longer to answer.
    const sent = request(url, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    })
    sent.end(JSON.stringify(call))
    const [response]: IncomingMessage[] = await once(sent, 'response')
    if (response === undefined) throw new Error('no answer')
    return outcome.parse(await json(response))
  } catch {
    // It was stopped, or restarted under another address: the next session is told that one.
    return { text: 'ductor does not answer any more.', failed: true }
  }
}

await mcpServer(pass).connect(new StdioServerTransport())
