import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import type { Place } from '../core/message.ts'
import type { PermissionMode } from '../core/provider.ts'
import {
  DeliveryError,
  type Content,
  type Intake,
  type Memory,
  type MessageRef,
  type Operation,
  type Transport,
} from '../core/transport.ts'
import { UserError } from '../core/user-error.ts'
import type { Part, View } from '../core/view.ts'

/** Where an answer goes that nobody waits for any more. */
export interface Origin {
  readonly agent: string
  readonly place: Place
  readonly strand: string
}

/** Who asks, and how much they may do: what they ask for may do no more. */
export interface Asker extends Origin {
  readonly atMost: PermissionMode
}

/** `id` is the same however often it is brought. */
export interface Answer {
  readonly id: string
  readonly text: string
}

export interface AgentTransportDeps {
  readonly memory: Memory
  /** Brings an answer to whoever asked. False: that agent does not run now. */
  readonly bring: (origin: Origin, answer: Answer) => Promise<boolean>
  /** After which the one who asked goes on without the answer; it comes later. */
  readonly patienceMs?: number
}

/** Claude Code, and whatever is made with MCP's own SDK, gives up on a tool after a minute; its answer would be lost. */
export const usualPatienceMs = 50_000

const origin = z.object({
  agent: z.string(),
  place: z.object({
    key: z.string(),
    transport: z.string(),
    chat: z.string(),
    thread: z.string().exactOptional(),
  }),
  strand: z.string(),
})
const answerContent = z.object({ text: z.string() })

/** The name of the transport, and what the keys of its places begin with. */
export const agentTransportName = 'agent'

/**
 * How one agent of an installation talks to another: a chat network of one house. What is asked goes through the
 * other's inbox like any message, and its answer through the outbox; so both survive whatever happens in between.
 */
export class AgentTransport implements Transport {
  readonly policy = {
    users: 'everyone',
    rooms: 'everywhere',
    privateChats: 'open',
    mentionOnly: false,
  } as const
  /** Nobody commands here. */
  readonly commandPrefixes: readonly string[] = []
  readonly choices = 'buttons'
  readonly dropsDoubles = true
  readonly asksNobody = true
  readonly #deps: AgentTransportDeps
  readonly #waiting = new Map<string, (answer: string) => void>()
  #intake: Intake | undefined

  constructor(deps: AgentTransportDeps) {
    this.#deps = deps
  }

  async listen(intake: Intake, signal: AbortSignal): Promise<void> {
    this.#intake = intake
    await sleep(2 ** 31 - 1, undefined, { signal, ref: false }).catch(() => {
      // It was told to stop.
    })
    this.#intake = undefined
  }

  /**
   * Asks; resolves with the answer, or with undefined where it will be brought later: because nobody waits, or because
   * it takes too long.
   */
  async ask(
    { atMost, ...from }: Asker,
    text: string,
    wait: boolean,
    signal: AbortSignal,
  ): Promise<string | undefined> {
    if (this.#intake === undefined) throw new UserError('That agent is stopping.')
    if (text.trim() === '') throw new UserError('The question is empty.')
    const messageId = randomUUID()
    const promised = { [`ask/${messageId}`]: JSON.stringify(from) }
    const { promise, resolve } = Promise.withResolvers<string>()
    if (wait) this.#waiting.set(messageId, resolve)
    try {
      await this.#intake.take(
        [
          {
            kind: 'message',
            id: messageId,
            messageId,
            place: { key: `agent:${from.agent}`, transport: agentTransportName, chat: from.agent },
            sender: { id: from.agent },
            sentAt: Date.now(),
            // So that the answer names the message that it answers.
            group: true,
            addressed: true,
            text,
            atMost,
          },
        ],
        wait ? {} : promised,
      )
      if (!wait) return undefined
      const late = sleep(this.#deps.patienceMs ?? usualPatienceMs, undefined, { signal, ref: false }).then(
        // Not before: where ductor ends while somebody waits, their own turn is cut off, and a person decides about it.
        () => {
          if (this.#waiting.delete(messageId)) this.#deps.memory.remember(promised)
          return undefined
        },
        () => undefined,
      )
      return await Promise.race([promise, late])
    } finally {
      this.#waiting.delete(messageId)
    }
  }

  /** The answer when it is whole; nothing of it before. */
  render({ state, stop, parts }: View): readonly Content[] {
    if (state !== 'ended' || stop === undefined) return []
    const text = parts.flatMap(wordsOf).join('\n\n')
    return [{ text: text === '' ? 'It had nothing to say.' : text }]
  }

  async deliver(operation: Operation): Promise<MessageRef> {
    if (operation.type !== 'post') return operation.ref
    const asked = operation.replyTo ?? ''
    const { text } = answerContent.parse(operation.content)
    const waits = this.#waiting.get(asked)
    const kept = this.#deps.memory.recall(`ask/${asked}`)
    if (waits !== undefined) {
      this.#waiting.delete(asked)
      waits(text)
    } else if (kept !== undefined) {
      const from = origin.parse(JSON.parse(kept))
      if (!(await this.#deps.bring(from, { id: asked, text })))
        throw new DeliveryError('unreachable', `the agent ${from.agent} does not run`)
    }
    this.#deps.memory.remember({ [`ask/${asked}`]: null })
    return operation.key
  }
}

/** A file cannot be shown to an agent, but named. */
function wordsOf(part: Part): readonly string[] {
  if (part.kind === 'text' || part.kind === 'notice') return [part.text]
  return part.kind === 'file' ? [`(a file: ${part.path})`] : []
}
