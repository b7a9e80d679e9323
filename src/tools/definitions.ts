import { z } from 'zod'

/** What ductor offers to the agents that it runs. */
export const tools = {
  send_file: {
    description:
      'Send a file of this machine into the chat that you are talking in. It must be allowed by file_access (usually: lie in the workspace).',
    input: z.object({ path: z.string().min(1).describe('absolute, or from the workspace on') }),
  },
  list_agents: {
    description: 'List the agents of this ductor that you can ask.',
    input: z.object({}),
  },
  ask_agent: {
    description:
      'Ask another agent of this ductor. It answers in a session of its own for your questions. With wait (the usual) you get an answer that comes within 50 seconds; a later one, and any without wait, comes to this chat as a message of its own: end your turn then, and go on with it when it is there.',
    input: z.object({
      agent: z.string().min(1).describe('its name, as list_agents gives it'),
      message: z.string().min(1),
      wait: z.boolean().default(true),
    }),
  },
} as const

export const call = z.discriminatedUnion('tool', [
  z.object({ tool: z.literal('send_file'), input: tools.send_file.input }),
  z.object({ tool: z.literal('list_agents'), input: tools.list_agents.input }),
  z.object({ tool: z.literal('ask_agent'), input: tools.ask_agent.input }),
])

export type ToolCall = z.infer<typeof call>

export const outcome = z.object({ text: z.string(), failed: z.boolean() })

export type Outcome = z.infer<typeof outcome>

/** The environment of the program that speaks MCP with the CLI. */
export const channelVariables = { url: 'DUCTOR_TOOLS_URL', token: 'DUCTOR_TOOLS_TOKEN' } as const
