import type { ServerResponse } from 'node:http'
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import { actFor, say, type Act, type Asked } from './model-script.ts'
import { replyJson, startScriptedServer, type ScriptedServer } from './scripted-server.ts'

const part = z.object({ type: z.string(), text: z.string().optional() })
const body = z.object({
  model: z.string(),
  tools: z.array(z.unknown()).optional(),
  messages: z.array(z.object({ role: z.string(), content: z.union([z.string(), z.array(part)]).nullish() })),
})
type Body = z.infer<typeof body>

/** OpenAI's chat completions with the model of `model-script.ts`. After a tool's result it answers `result: …`. */
export function startChatServer(): Promise<ScriptedServer> {
  return startScriptedServer(async (request, text, response, heard) => {
    if (!(request.url ?? '').endsWith('/chat/completions'))
      return replyJson(response, 404, { error: { message: 'no such method' } })
    const asked = body.parse(JSON.parse(text))
    // Without tools it asks for a title: no part of the conversation.
    if ((asked.tools ?? []).length === 0) return await perform(response, asked.model, say('A title'))
    const last = asked.messages.at(-1)
    if (last?.role === 'tool') return await perform(response, asked.model, say(`result: ${textIn(last)}`))
    const seen = seenOf(asked)
    heard.push(seen.prompts.at(-1) ?? '')
    await perform(response, asked.model, actFor(seen))
  })
}

async function perform(response: ServerResponse, model: string, act: Act): Promise<void> {
  if (act.kind === 'hang') return
  if (act.kind === 'error') return fail(response, act.status)
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  const id = `chatcmpl-${randomUUID()}`
  const send = (delta: object, finish: string | null = null) => {
    const usage =
      finish === null ? undefined : { prompt_tokens: 100, completion_tokens: 5, total_tokens: 105 }
    const choices = [{ index: 0, delta, finish_reason: finish }]
    const json = { id, object: 'chat.completion.chunk', created: 0, model, choices, usage }
    response.write(`data: ${JSON.stringify(json)}\n\n`)
  }
  send({ role: 'assistant', content: '' })
  switch (act.kind) {
    case 'bash':
      send(call('bash', { command: act.command, description: 'scripted' }))
      send({}, 'tool_calls')
      break
    case 'write':
      send(call('write', { filePath: act.path, content: act.text }))
      send({}, 'tool_calls')
      break
    case 'cut':
      send({ content: 'half of ' })
      await sleep(50)
      return void response.destroy()
    case 'think':
      send({ reasoning_content: act.thought })
      for (const content of act.words) send({ content })
      send({}, 'stop')
      break
    case 'say':
      for (const content of act.words) {
        if (response.destroyed) return
        send({ content })
        if (act.pauseMs > 0) await sleep(act.pauseMs)
      }
      send({}, 'stop')
  }
  response.end('data: [DONE]\n\n')
}

function fail(response: ServerResponse, status: number): void {
  const type = status === 401 ? 'invalid_api_key' : 'server_error'
  replyJson(response, status, { error: { message: `scripted ${status}`, type, code: type } })
}

function call(name: string, args: object): object {
  const one = { name, arguments: JSON.stringify(args) }
  return { tool_calls: [{ index: 0, id: `call_${randomUUID()}`, type: 'function', function: one }] }
}

function seenOf({ model, messages }: Body): Asked {
  const own = messages.filter(({ role }) => role === 'user')
  return {
    model,
    prompts: own.map(textIn).filter((text) => text !== ''),
    pictures: own
      .flatMap(({ content }) => (Array.isArray(content) ? content : []))
      .filter(({ type }) => type === 'image_url').length,
  }
}

function textIn({ content }: Body['messages'][number]): string {
  if (typeof content === 'string') return content
  return (content ?? [])
    .map(({ text = '' }) => text)
    .filter((text) => text !== '')
    .join('\n')
}
