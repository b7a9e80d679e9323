import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'

/** A vendor's API on loopback, with a script for a model. */
export interface ScriptedServer extends AsyncDisposable {
  readonly url: string
  /** The last prompts of all calls that ran an act, oldest first. */
  readonly heard: readonly string[]
}

/** `answer` gets each request with its whole body; what it throws breaks the connection. */
export async function startScriptedServer(
  answer: (
    request: IncomingMessage,
    body: string,
    response: ServerResponse,
    heard: string[],
  ) => Promise<void>,
): Promise<ScriptedServer> {
  const heard: string[] = []
  const server = createServer((request, response) => {
    wholeBody(request)
      .then((body) => answer(request, body, response, heard))
      .catch((error: unknown) => {
        response.destroy(error instanceof Error ? error : new Error(String(error)))
      })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the server has no port')
  return {
    url: `http://127.0.0.1:${address.port}`,
    heard,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

export function replyJson(response: ServerResponse, status: number, json: object): void {
  response.writeHead(status, { 'content-type': 'application/json' })
  response.end(JSON.stringify(json))
}

async function wholeBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(Buffer.from(chunk))
  return Buffer.concat(chunks).toString('utf8')
}
