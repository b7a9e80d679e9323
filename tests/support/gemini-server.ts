import type { ServerResponse } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import { actFor, say, type Act, type Asked } from './model-script.ts'
import { replyJson, startScriptedServer, type ScriptedServer } from './scripted-server.ts'

const part = z.object({
  text: z.string().optional(),
  thought: z.boolean().optional(),
  inlineData: z.unknown().optional(),
  functionResponse: z.object({ response: z.unknown() }).optional(),
})
const body = z.object({
  contents: z.array(z.object({ role: z.string().optional(), parts: z.array(part).default([]) })),
})
type Body = z.infer<typeof body>

const statusWords: Readonly<Record<number, string>> = {
  400: 'INVALID_ARGUMENT',
  401: 'UNAUTHENTICATED',
  429: 'RESOURCE_EXHAUSTED',
}

/** Google's Gemini API with the model of `model-script.ts`. After a tool's result it answers `result: …`. */
export function startGeminiServer(): Promise<ScriptedServer> {
  return startScriptedServer(async (request, text, response, heard) => {
    const [, model = '', method = ''] = /models\/([^:]+):(\w+)/.exec(request.url ?? '') ?? []
    if (method === 'countTokens') return replyJson(response, 200, { totalTokens: 100 })
    if (method !== 'streamGenerateContent' && method !== 'generateContent')
      return replyJson(response, 404, { error: { code: 404, message: 'no such method' } })
    const asked = body.parse(JSON.parse(text))
    // Without a stream it asks for a title or a choice of model: no part of the conversation.
    if (method === 'generateContent') return replyJson(response, 200, chunk([{ text: '{}' }], model, true))
    const result = toolResult(asked)
    if (result !== undefined) return await perform(response, model, say(`result: ${result}`))
    const seen = seenOf(asked, model)
    heard.push(seen.prompts.at(-1) ?? '')
    await perform(response, model, actFor(seen))
  })
}

async function perform(response: ServerResponse, model: string, act: Act): Promise<void> {
  if (act.kind === 'hang') return
  if (act.kind === 'error') return fail(response, act.status)
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  const send = (parts: readonly object[], last = false) =>
    response.write(`data: ${JSON.stringify(chunk(parts, model, last))}\r\n\r\n`)
  switch (act.kind) {
    case 'bash':
      send([call('run_shell_command', { command: act.command, description: 'scripted' })], true)
      break
    case 'write':
      send([call('write_file', { file_path: act.path, content: act.text })], true)
      break
    case 'cut':
      send([{ text: 'half of ' }])
      await sleep(50)
      return void response.destroy()
    case 'think':
      send([{ text: act.thought, thought: true }])
      for (const text of act.words) send([{ text }])
      send([{ text: '' }], true)
      break
    case 'say':
      for (const text of act.words) {
        if (response.destroyed) return
        send([{ text }])
        if (act.pauseMs > 0) await sleep(act.pauseMs)
      }
      send([{ text: '' }], true)
  }
  response.end()
}

function fail(response: ServerResponse, status: number): void {
  const details =
    status === 429 ? [{ '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay: '34s' }] : []
  const error = { code: status, message: `scripted ${status}`, status: statusWords[status] ?? 'INTERNAL' }
  replyJson(response, status, { error: { ...error, details } })
}

function chunk(parts: readonly object[], modelVersion: string, last: boolean): object {
  const usageMetadata = { promptTokenCount: 100, candidatesTokenCount: 5, totalTokenCount: 105 }
  const finished = last ? { finishReason: 'STOP' } : {}
  return {
    candidates: [{ content: { role: 'model', parts }, index: 0, ...finished }],
    usageMetadata,
    modelVersion,
  }
}

function call(name: string, args: object): object {
  return { functionCall: { name, args }, thoughtSignature: 'c2NyaXB0ZWQ=' }
}

function seenOf({ contents }: Body, model: string): Asked {
  const parts = contents.filter(({ role }) => role === 'user').flatMap((content) => content.parts)
  const texts = parts.flatMap(({ text, thought }) => (text === undefined || thought === true ? [] : [text]))
  return {
    model,
    // What Gemini tells of the folder comes in a text of its own, or before the first prompt.
    prompts: texts
      .map((text) => text.split('</session_context>').at(-1)?.trim() ?? '')
      .filter((text) => text !== ''),
    pictures: parts.filter(({ inlineData }) => inlineData !== undefined).length,
  }
}

function toolResult({ contents }: Body): string | undefined {
  const last = contents.at(-1)?.parts ?? []
  const result = last.find(({ functionResponse }) => functionResponse !== undefined)?.functionResponse
  return result === undefined ? undefined : JSON.stringify(result.response)
}
