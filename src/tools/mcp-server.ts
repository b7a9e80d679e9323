import { McpServer } from '@modelcontextprotocol/server'
import { tools, type Outcome, type ToolCall } from './definitions.ts'

/** An MCP server that offers the tools; `pass` does what they are called for. */
export function mcpServer(pass: (call: ToolCall) => Promise<Outcome>): McpServer {
  const server = new McpServer({ name: 'ductor', version: '1.0.0' })
  const { send_file: sendFile, list_agents: listAgents, ask_agent: askAgent } = tools
  server.registerTool(
    'send_file',
    { description: sendFile.description, inputSchema: sendFile.input },
    async (input) => told(await pass({ tool: 'send_file', input })),
  )
  server.registerTool(
    'list_agents',
    { description: listAgents.description, inputSchema: listAgents.input },
    async (input) => told(await pass({ tool: 'list_agents', input })),
  )
  server.registerTool(
    'ask_agent',
    { description: askAgent.description, inputSchema: askAgent.input },
    async (input) => told(await pass({ tool: 'ask_agent', input })),
  )
  return server
}

function told({ text, failed }: Outcome) {
  return { content: [{ type: 'text' as const, text }], isError: failed }
}
