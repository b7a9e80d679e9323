// Started by a CLI: offers ductor's tools over MCP on stdio, and passes each call on to the ductor that runs.
import { McpServer } from '@modelcontextprotocol/server'
import { StdioServerTransport } from '@modelcontextprotocol/server/stdio'
import { channelVariables, outcome, tools, type ToolName } from './definitions.ts'

const url = process.env[channelVariables.url]
const token = process.env[channelVariables.token]

async function pass(tool: ToolName, input: unknown) {
  const { text, failed } = await ask(tool, input)
  return { content: [{ type: 'text' as const, text }], isError: failed }
}

async function ask(tool: ToolName, input: unknown) {
  try {
    if (url === undefined) throw new Error('no address')
    const response = await fetch(url, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify({ tool, input }),
    })
    return outcome.parse(await response.json())
  } catch {
    // It was stopped, or restarted under another address: the next session's program knows that one.
    return { text: 'ductor does not answer any more.', failed: true }
  }
}

const server = new McpServer({ name: 'ductor', version: '1.0.0' })
const { send_file: sendFile, list_agents: listAgents, ask_agent: askAgent } = tools
server.registerTool(
  'send_file',
  { description: sendFile.description, inputSchema: sendFile.input },
  (input) => pass('send_file', input),
)
server.registerTool(
  'list_agents',
  { description: listAgents.description, inputSchema: listAgents.input },
  (input) => pass('list_agents', input),
)
server.registerTool(
  'ask_agent',
  { description: askAgent.description, inputSchema: askAgent.input },
  (input) => pass('ask_agent', input),
)
await server.connect(new StdioServerTransport())
