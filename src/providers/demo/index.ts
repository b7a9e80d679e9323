import { spawn, type ChildProcessByStdio } from 'node:child_process'
import { on } from 'node:events'
import { extname, join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import { defineProvider, type ProviderDeps } from '../../core/define.ts'
import type { PermissionAnswer, Provider, ProviderHealth, Turn, TurnEvent } from '../../core/provider.ts'
import { reply, type Reply, type Request } from './protocol.ts'

type Child = ChildProcessByStdio<Writable, Readable, Readable>

const config = z.object({ env: z.record(z.string(), z.string()).optional() })

export default defineProvider({
  name: 'demo',
  config,
  programs: [],
  open: (settings, deps) => new DemoProvider({ ...deps, env: { ...deps.env, ...settings.env } }),
})

/** The demo agent, kept running between the turns of a conversation. */
class DemoProvider implements Provider {
  readonly #deps: ProviderDeps
  readonly #idle = new Map<string, Child>()
  readonly #running = new Map<string, Child>()

  constructor(deps: ProviderDeps) {
    this.#deps = deps
  }

  async *run(turn: Turn, signal: AbortSignal): AsyncGenerator<TurnEvent> {
    const child = this.#idle.get(turn.place.key) ?? this.#start(turn.cwd)
    this.#idle.delete(turn.place.key)
    this.#running.set(turn.id, child)
    const cancel = () => send(child, { type: 'cancel' })
    signal.addEventListener('abort', cancel)
    try {
      let ended = false
      const session = turn.resume === undefined ? {} : { session: turn.resume }
      send(child, { type: 'prompt', turn: turn.id, text: turn.prompt, ...session })
      if (signal.aborted) cancel()
      for await (const line of linesOf(child)) {
        const event = decode(line)
        yield event
        ended = event.type === 'turn.ended'
        if (ended) break
      }
      if (ended) this.#idle.set(turn.place.key, child)
      else
        yield {
          type: 'turn.ended',
          stop: 'failed',
          error: `The demo agent ended (${await obituary(child)}).`,
        }
    } finally {
      signal.removeEventListener('abort', cancel)
      this.#running.delete(turn.id)
    }
  }

  answer(turnId: string, requestId: string, { allow }: PermissionAnswer): boolean {
    const child = this.#running.get(turnId)
    if (child === undefined) return false
    send(child, { type: 'answer', request: requestId, allow })
    return true
  }

  async check(): Promise<ProviderHealth> {
    return { installed: true, signedIn: true }
  }

  async close(): Promise<void> {
    const children = [...this.#idle.values(), ...this.#running.values()]
    this.#idle.clear()
    await Promise.all(children.map(end))
  }

  #start(cwd: string): Child {
    // Beside this file, with its own ending: .ts in a checkout, .js in the package.
    const program = fileURLToPath(new URL(`./demo-agent${extname(import.meta.url)}`, import.meta.url))
    const child = spawn(process.execPath, [program, join(this.#deps.home, 'demo')], {
      cwd,
      env: this.#deps.env,
      stdio: ['pipe', 'pipe', 'pipe'],
      windowsHide: true,
    })
    // A broken pipe is told by the end of its output.
    child.stdin.on('error', () => {})
    child.on('error', (error) => this.#deps.log.error({ err: error }, 'the demo agent could not be started'))
    return child
  }
}

function send(child: Child, message: Request): void {
  child.stdin.write(
    `${JSON.stringify(message)
      .replaceAll('\u2028', String.raw`\u2028`)
      .replaceAll('\u2029', String.raw`\u2029`)}\n`,
  )
}

/** The lines of one turn. The child's output goes on afterwards: only this reading of it ends. */
async function* linesOf(child: Child): AsyncGenerator<string> {
  const lines = createInterface({ input: child.stdout, crlfDelay: Number.POSITIVE_INFINITY })
  try {
    for await (const [line] of on(lines, 'line', { close: ['close'] })) yield String(line)
  } finally {
    lines.close()
    child.stdout.resume()
  }
}

function decode(line: string): TurnEvent {
  const message = reply.safeParse(parse(line))
  if (!message.success)
    return { type: 'notice', message: 'The demo agent said something that makes no sense.' }
  return eventOf(message.data)
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch {
    // Not even JSON: `decode` says so.
    return undefined
  }
}

function eventOf(message: Reply): TurnEvent {
  switch (message.type) {
    case 'session':
      return { type: 'session.started', sessionId: message.session }
    case 'permission':
      return { ...message, type: 'permission.requested' }
    case 'end':
      return {
        type: 'turn.ended',
        stop: message.stop,
        ...(message.error === undefined ? {} : { error: message.error }),
      }
    case 'text':
    case 'thinking':
    case 'tool':
      return message
  }
}

async function obituary(child: Child): Promise<string> {
  const stderr = await Array.fromAsync(child.stderr)
  const words = Buffer.concat(stderr).toString('utf8').trim()
  if (child.exitCode === null && child.signalCode === null)
    await new Promise((resolve) => child.once('exit', resolve))
  const how = child.signalCode ?? `exit code ${child.exitCode}`
  return words === '' ? how : `${how}: ${words.slice(-500)}`
}

async function end(child: Child): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const gone = new Promise((resolve) => child.once('exit', resolve))
  child.stdin.end()
  child.kill()
  await gone
}
