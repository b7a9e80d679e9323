// A small MCP server on stdio: `shout` answers, `ask` asks the person first.
import { createInterface } from 'node:readline'
import { z } from 'zod'

const line = z.object({
  id: z.union([z.number(), z.string()]).optional(),
  method: z.string().optional(),
  params: z
    .looseObject({
      protocolVersion: z.string().optional(),
      name: z.string().optional(),
      arguments: z.looseObject({ words: z.string().optional() }).optional(),
    })
    .optional(),
  result: z.unknown().optional(),
})

const words = { type: 'object', properties: { words: { type: 'string' } } }
const nothing = { type: 'object', properties: {} }
const form = {
  type: 'object',
  properties: { colour: { type: 'string', enum: ['red', 'blue'] }, sure: { type: 'boolean' } },
  required: ['colour'],
}
let asking: number | string | undefined

for await (const text of createInterface({ input: process.stdin })) {
  const { id, method, params, result } = line.parse(JSON.parse(text))
  if (method === 'initialize')
    send({
      id,
      result: {
        protocolVersion: params?.protocolVersion,
        capabilities: { tools: {} },
        serverInfo: { name: 'loud', version: '1' },
      },
    })
  else if (method === 'tools/list')
    send({
      id,
      result: {
        tools: [
          { name: 'shout', description: 'shouts', inputSchema: words },
          { name: 'ask', description: 'asks', inputSchema: nothing, annotations: { readOnlyHint: true } },
        ],
      },
    })
  else if (method === 'tools/call' && params?.name === 'ask') {
    asking = id
    send({
      id: 'question',
      method: 'elicitation/create',
      params: { message: 'Which colour?', requestedSchema: form },
    })
  } else if (method === 'tools/call') said(id, `LOUD ${params?.arguments?.words}`)
  else if (method === undefined && id === 'question') said(asking, JSON.stringify(result))
  else if (id !== undefined) send({ id, result: {} })
}

function said(id: number | string | undefined, text: string): void {
  send({ id, result: { content: [{ type: 'text', text }] } })
}

function send(message: object): void {
  process.stdout.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`)
}
