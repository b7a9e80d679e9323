// The CLIs over their own persistent protocols with nothing in between: as little as can be done, to compare with.
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { z } from 'zod'

export interface Command {
  readonly program: string
  readonly args: readonly string[]
  readonly env: Readonly<Record<string, string>>
  readonly cwd: string
}

/** A CLI that waits for prompts. */
export interface Client {
  /** Gives the milliseconds from the prompt to the first text; resolves when the turn has ended. */
  turn(prompt: string): Promise<number>
  close(): Promise<void>
}

const reply = z.object({ id: z.number(), result: z.record(z.string(), z.unknown()) })

/** Claude Code in its stream-json mode. */
export async function claudeClient(command: Command): Promise<Client> {
  const wire = new Wire(command)
  return {
    turn(prompt) {
      const content = [{ type: 'text', text: prompt }]
      return wire.timed(
        { type: 'user', message: { role: 'user', content }, parent_tool_use_id: null, session_id: '' },
        '"text_delta"',
        '"type":"result"',
      )
    },
    close: () => wire.close(),
  }
}

/** `codex app-server`. */
export async function codexClient(command: Command): Promise<Client> {
  const wire = new Wire(command)
  await wire.request('initialize', {
    clientInfo: { name: 'bench', title: 'bench', version: '1' },
    capabilities: { experimentalApi: true, requestAttestation: false },
  })
  wire.send({ method: 'initialized' })
  // As ductor asks for it by default: what Codex has to prepare is the same.
  const { thread } = await wire.request('thread/start', {
    cwd: command.cwd,
    sandbox: 'danger-full-access',
    approvalPolicy: 'untrusted',
  })
  const { id: threadId } = z.object({ id: z.string() }).parse(thread)
  return {
    turn: (prompt) =>
      wire.timed(
        {
          id: 1000,
          method: 'turn/start',
          params: { threadId, input: [{ type: 'text', text: prompt, text_elements: [] }] },
        },
        '"item/agentMessage/delta"',
        '"turn/completed"',
      ),
    close: () => wire.close(),
  }
}

/** Any agent of the Agent Client Protocol. */
export async function acpClient(command: Command): Promise<Client> {
  const wire = new Wire(command)
  await wire.request('initialize', { protocolVersion: 1, clientCapabilities: {} })
  const { sessionId } = await wire.request('session/new', { cwd: command.cwd, mcpServers: [] })
  return {
    turn: (prompt) =>
      wire.timed(
        {
          jsonrpc: '2.0',
          id: 1000,
          method: 'session/prompt',
          params: { sessionId, prompt: [{ type: 'text', text: prompt }] },
        },
        '"agent_message_chunk"',
        '"stopReason"',
      ),
    close: () => wire.close(),
  }
}

/** Milliseconds from the start of the program to its first line with `mark`; resolves when it has ended. */
export async function oneShot(command: Command, mark: string, input = ''): Promise<number> {
  const begun = performance.now()
  const wire = new Wire(command)
  wire.end(input)
  await wire.until(mark)
  const time = performance.now() - begun
  await wire.close()
  return time
}

class Wire {
  readonly #child
  readonly #ended: Promise<unknown>
  #wanted: ((line: string) => void) | undefined
  #lastId = 0

  constructor({ program, args, env, cwd }: Command) {
    this.#child = spawn(program, args, { env, cwd, stdio: ['pipe', 'pipe', 'ignore'] })
    this.#ended = new Promise((resolve) => this.#child.once('close', resolve))
    createInterface({ input: this.#child.stdout }).on('line', (line) => this.#wanted?.(line))
  }

  send(message: object): void {
    this.#child.stdin.write(`${JSON.stringify(message)}\n`)
  }

  end(input: string): void {
    this.#child.stdin.end(input)
  }

  async request(method: string, params: object): Promise<Readonly<Record<string, unknown>>> {
    const id = (this.#lastId += 1)
    const answered = this.#next((line) => {
      const parsed = reply.safeParse(JSON.parse(line)).data
      return parsed?.id === id ? parsed.result : undefined
    })
    this.send({ jsonrpc: '2.0', id, method, params })
    return await answered
  }

  async timed(message: object, mark: string, end: string): Promise<number> {
    const begun = performance.now()
    let first: number | undefined
    const ended = this.#next((line) => {
      if (line.includes(mark)) first ??= performance.now()
      return line.includes(end) ? true : undefined
    })
    this.send(message)
    await ended
    return (first ?? Number.NaN) - begun
  }

  async until(mark: string): Promise<void> {
    await this.#next((line) => (line.includes(mark) ? true : undefined))
  }

  async close(): Promise<void> {
    this.#child.stdin.end()
    // Some do not end with their input.
    const patience = setTimeout(() => this.#child.kill('SIGKILL'), 3000)
    await this.#ended
    clearTimeout(patience)
  }

  #next<T>(look: (line: string) => T | undefined): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#wanted = (line) => {
        const found = look(line)
        if (found !== undefined) resolve(found)
      }
      void this.#ended.then(() => reject(new Error('it ended too early')))
    })
  }
}
