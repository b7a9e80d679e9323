import type { AnyMessage, ClientConnection } from '@agentclientprotocol/sdk'
import type { Log } from '../core/define.ts'
import type { AcpAgent } from './acp-agent.ts'
import { exitSentence, type Refusal } from './acp-failure.ts'
import type { Outcome } from './acp-permission.ts'
import { readForm, type Form, type Reply } from './acp-question.ts'
import {
  protocolVersion,
  readAbilities,
  readNotification,
  readPermissionRequest,
  type Abilities,
  type PermissionRequest,
  type Update,
} from './acp-wire.ts'
import { CliProcess, type CliCommand, type Exit } from './cli-process.ts'
import type { ProcessLedger } from './process-ledger.ts'

/** Whoever keeps the sessions of a process. */
export interface Listener {
  hear(sessionId: string, update: Update | undefined): void
  /** `signal`: the agent took the request back. */
  permission(request: PermissionRequest, signal: AbortSignal): Promise<Outcome>
  question(form: Form, signal: AbortSignal): Promise<Reply>
  /** Something was said that is not part of the protocol, and was left out. */
  leftOut(what: string): void
}

export type Answer =
  | { readonly ok: true; readonly result: unknown }
  | { readonly ok: false; readonly refusal: Refusal }

export type Started =
  | { readonly ok: true; readonly process: AcpProcess }
  /** `spoke`: it answered, so that it is there and speaks the protocol. */
  | { readonly ok: false; readonly sentence: string; readonly spoke: boolean }

/** One process of an agent, with all its sessions. Whoever started it ends it with `kill`. */
export class AcpProcess {
  readonly abilities: Abilities
  readonly #cli: CliProcess
  readonly #connection: ClientConnection
  readonly #name: string
  #killedFor: string | undefined

  private constructor(name: string, cli: CliProcess, connection: ClientConnection, abilities: Abilities) {
    this.#name = name
    this.#cli = cli
    this.#connection = connection
    this.abilities = abilities
  }

  static async start(
    agent: AcpAgent,
    command: CliCommand,
    listener: Listener,
    { log, ledger }: { readonly log: Log; readonly ledger: ProcessLedger },
  ): Promise<Started> {
    const { name, signIn, signedOutCode, signedOutLine } = agent
    const { startMs, killMs } = agent.patience
    const cli = await CliProcess.start(command, ledger)
    const signedOut = Promise.withResolvers<'signed out'>()
    const connection = await connect(cli, listener, log, (line) => {
      if (signedOutLine?.test(line) === true) signedOut.resolve('signed out')
    }).catch(async (error: unknown) => {
      await cli.kill(0)
      throw error
    })
    const answer = await Promise.race([
      signedOut.promise,
      ask(connection, 'initialize', {
        protocolVersion,
        // Agents work on the disk themselves: reading, writing and terminals are not our business.
        clientCapabilities: {
          fs: { readTextFile: false, writeTextFile: false },
          terminal: false,
          elicitation: { form: {} },
        },
        clientInfo: { name: 'ductor', version: '1' },
      }),
      later(startMs),
    ])
    const failed = async (sentence: string, spoke: boolean): Promise<Started> => {
      connection.close()
      await cli.kill(killMs)
      return { ok: false, sentence, spoke }
    }
    if (answer === 'signed out') return await failed(`${name} is not signed in. ${signIn}`, true)
    if (answer === 'late')
      return await failed(`${name} did not answer within ${Math.round(startMs / 1000)} seconds.`, false)
    if (!answer.ok && answer.refusal.how === 'ended') {
      await cli.kill(killMs)
      const exit = await cli.exit
      if (signedOutCode !== undefined && exit.how === 'exited' && exit.code === signedOutCode)
        return await failed(`${name} is not signed in. ${signIn}`, true)
      return await failed(exitSentence(name, exit, cli.stderr), false)
    }
    if (!answer.ok) return await failed(`${name} refused to begin: ${said(answer.refusal)}`, true)
    const abilities = readAbilities(answer.result)
    if (abilities === undefined)
      return await failed(`${name} speaks another version of the Agent Client Protocol than ductor.`, true)
    return { ok: true, process: new AcpProcess(name, cli, connection, abilities) }
  }

  get pid(): number | undefined {
    return this.#cli.pid
  }

  /** Milliseconds since its start. */
  get age(): number {
    return performance.now() - this.#cli.startedAt
  }

  get ended(): boolean {
    return this.#cli.ended || this.#connection.signal.aborted
  }

  get exit(): Promise<Exit> {
    return this.#cli.exit
  }

  /** Never rejects. An agent that does not answer within `limitMs` is ended. */
  async request(method: string, params: object, limitMs?: number): Promise<Answer> {
    const sentence = `${this.#name} did not answer for too long (${method}), and was ended. Send it again.`
    const end = () => void this.kill(0, sentence).catch(() => {})
    const timer = limitMs === undefined ? undefined : setTimeout(end, limitMs).unref()
    const answer = await ask(this.#connection, method, params)
    clearTimeout(timer)
    if (answer.ok || answer.refusal.how === 'error') return answer
    // The connection broke: whatever lives on behind it is of no use any more.
    await this.#cli.kill(0)
    const why = this.#killedFor ?? exitSentence(this.#name, await this.#cli.exit, this.#cli.stderr)
    return { ok: false, refusal: { how: 'ended', sentence: why } }
  }

  /** What cannot be sent any more is told by `request`. */
  notify(method: string, params: object): void {
    this.#connection.agent.notify(method, params).catch(() => {})
  }

  /** Ends it and all that it started; resolves when it is gone. `sentence` says why to whoever waits for an answer. */
  async kill(graceMs: number, sentence?: string): Promise<void> {
    this.#killedFor ??= sentence
    await this.#cli.kill(graceMs)
    this.#connection.close()
  }
}

async function connect(
  cli: CliProcess,
  listener: Listener,
  log: Log,
  stray: (line: string) => void,
): Promise<ClientConnection> {
  // Only here: it is large, and start-up has no use for it. The agent starts up in the meantime.
  const { client } = await import('@agentclientprotocol/sdk')
  const app = client({ name: 'ductor' })
    .onNotification('session/update', readNotification, ({ params }) => {
      if (params !== undefined) listener.hear(params.sessionId, params.update)
    })
    .onRequest('session/request_permission', readPermissionRequest, async ({ params, signal }) => ({
      outcome:
        params === undefined ? { outcome: 'cancelled' as const } : await listener.permission(params, signal),
    }))
    .onRequest('elicitation/create', readForm, ({ params, signal }) =>
      params === undefined ? { action: 'decline' } : listener.question(params, signal),
    )
  const connection = app.connect({
    readable: ReadableStream.from<AnyMessage>(messagesOf(cli, listener, stray)),
    writable: new WritableStream({ write: (message) => cli.send(message) }),
  })
  void connection.closed.then(() => log.debug({ reason: connection.signal.reason }, 'agent disconnected'))
  return connection
}

/** Our own reader and not the SDK's, which ends the connection at the first line that is too long. */
async function* messagesOf(
  cli: CliProcess,
  listener: Listener,
  stray: (line: string) => void,
): AsyncGenerator<AnyMessage> {
  for await (const line of cli.lines()) {
    if (line.type === 'too-long') {
      listener.leftOut(`a line of ${Math.round(line.bytes / 1e6)} MB`)
      continue
    }
    const message = parsed(line.text)
    if (message !== undefined) {
      yield message
      continue
    }
    stray(line.text)
    listener.leftOut('a line that made no sense')
  }
}

function parsed(text: string): AnyMessage | undefined {
  try {
    const json: unknown = JSON.parse(text)
    return isMessage(json) ? json : undefined
  } catch {
    // A log line, or half of one.
    return undefined
  }
}

function isMessage(json: unknown): json is AnyMessage {
  return typeof json === 'object' && json !== null && 'jsonrpc' in json && json.jsonrpc === '2.0'
}

async function ask(connection: ClientConnection, method: string, params: object): Promise<Answer> {
  try {
    return { ok: true, result: await connection.agent.request(method, params) }
  } catch (error) {
    return { ok: false, refusal: refusalOf(error) }
  }
}

function refusalOf(error: unknown): Refusal {
  if (error instanceof Error && 'code' in error && typeof error.code === 'number') {
    const data = 'data' in error ? error.data : undefined
    return { how: 'error', code: error.code, message: error.message, data }
  }
  return { how: 'ended', sentence: error instanceof Error ? error.message : String(error) }
}

function said(refusal: Refusal): string {
  return refusal.how === 'error' ? refusal.message : refusal.sentence
}

function later(ms: number): Promise<'late'> {
  return new Promise((resolve) => setTimeout(() => resolve('late'), ms).unref())
}
