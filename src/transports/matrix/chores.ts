import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import type { Log } from '../../core/define.ts'
import type { Memory } from '../../core/transport.ts'
import { TooSoon } from './budget.ts'
import { MatrixError, NoAnswer } from './client.ts'
import { pauseAfter } from './pause.ts'

const choreSchema = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('answer-invitation'), room: z.string(), by: z.string() }),
  /** Messages there could not be decrypted for too long. */
  z.object({ kind: z.literal('tell-sealed'), room: z.string() }),
  /** A device speaks there that its owner does not vouch for. */
  z.object({
    kind: z.literal('tell-doubt'),
    room: z.string(),
    user: z.string(),
    device: z.string(),
    refused: z.boolean(),
  }),
  /** Somebody speaks there unencrypted, though the room is encrypted. */
  z.object({ kind: z.literal('tell-plain'), room: z.string(), user: z.string(), refused: z.boolean() }),
  /** The user wants to compare emoji with the bot; `event`: where they said so. */
  z.object({ kind: z.literal('verify'), room: z.string(), user: z.string(), event: z.string() }),
  /** A word of the bot's own. */
  z.object({ kind: z.literal('say'), room: z.string(), text: z.string(), key: z.string() }),
  /** The bot knows nothing of this verification any more; without a room it went from device to device. */
  z.object({
    kind: z.literal('cancel-verification'),
    user: z.string(),
    flow: z.string(),
    room: z.string().optional(),
    device: z.string().optional(),
  }),
  /** The room goes on in another one. */
  z.object({ kind: z.literal('follow-upgrade'), room: z.string(), to: z.string(), by: z.string() }),
  /** The bot's own account calls the room a direct chat with this person. */
  z.object({ kind: z.literal('mark-direct'), room: z.string(), user: z.string() }),
  /** The message shall carry the keycaps from 1 to `want`, and no other. */
  z.object({ kind: z.literal('keycaps'), room: z.string(), ref: z.string(), want: z.number() }),
])

/** Something small to be done on the homeserver, now or when it can be. A later one with the same key replaces it. */
export type Chore = z.infer<typeof choreSchema>

interface Open {
  readonly chore: Chore
  attempts: number
  notBefore: number
}

const prefix = 'todo:'
const mostRefusals = 5

/**
 * The small duties beside hearing and speaking. They survive a restart, wait while the homeserver is away, and do not
 * hold up each other.
 */
export class Chores {
  readonly #memory: Memory
  readonly #log: Log
  readonly #open = new Map<string, Open>()
  readonly #bell = new EventTarget()

  constructor(memory: Memory, log: Log) {
    this.#memory = memory
    this.#log = log
    for (const [, value] of memory.list(prefix)) {
      const chore = choreSchema.safeParse(JSON.parse(value))
      if (chore.success) this.#put(chore.data)
    }
  }

  /** What to remember so that the chores are not forgotten; call `add` once that is remembered. */
  pairs(chores: readonly Chore[]): Readonly<Record<string, string>> {
    return Object.fromEntries(chores.map((chore) => [keyOf(chore), JSON.stringify(chore)]))
  }

  add(chores: readonly Chore[]): void {
    for (const chore of chores) this.#put(chore)
    this.#bell.dispatchEvent(new Event('ring'))
  }

  #put(chore: Chore): void {
    this.#open.set(keyOf(chore), { chore, attempts: 0, notBefore: 0 })
  }

  /** Does what is to be done, one after the other, until `signal` is aborted. `perform` throws what the client throws. */
  async run(
    perform: (chore: Chore, signal: AbortSignal) => Promise<void>,
    signal: AbortSignal,
  ): Promise<void> {
    while (!signal.aborted) {
      const next = this.#next()
      const wait = next === undefined ? undefined : next.notBefore - Date.now()
      if (next !== undefined && wait !== undefined && wait <= 0) await this.#try(next, perform, signal)
      else await this.#rest(wait, signal)
    }
  }

  #next(): Open | undefined {
    let next: Open | undefined
    for (const open of this.#open.values()) {
      if (next === undefined || open.notBefore < next.notBefore) next = open
    }
    return next
  }

  async #rest(ms: number | undefined, signal: AbortSignal): Promise<void> {
    const ended = new AbortController()
    const either = AbortSignal.any([signal, ended.signal])
    try {
      const ring = once(this.#bell, 'ring', { signal: either })
      await (ms === undefined ? ring : Promise.race([ring, sleep(ms, undefined, { signal: either })]))
    } catch (error) {
      if (!signal.aborted) throw error
    } finally {
      ended.abort()
    }
  }

  async #try(
    open: Open,
    perform: (chore: Chore, signal: AbortSignal) => Promise<void>,
    signal: AbortSignal,
  ): Promise<void> {
    const key = keyOf(open.chore)
    try {
      await perform(open.chore, signal)
      this.#close(key, open)
    } catch (error) {
      if (signal.aborted) return
      if (error instanceof TooSoon) {
        open.notBefore = Date.now() + error.afterMs
        return
      }
      open.attempts += 1
      open.notBefore = Date.now() + pauseAfter(error, open.attempts)
      const { kind, room } = open.chore
      const reason = error instanceof Error ? error.message : String(error)
      if (!mayPass(error) && open.attempts >= mostRefusals) {
        this.#log.warn({ kind, room, reason }, 'gave up a duty on Matrix')
        this.#close(key, open)
      } else this.#log.info({ kind, room, reason, attempt: open.attempts }, 'a duty on Matrix has to wait')
    }
  }

  #close(key: string, open: Open): void {
    // A newer one took its place meanwhile, and is still to be done.
    if (this.#open.get(key) !== open) return
    this.#open.delete(key)
    try {
      this.#memory.remember({ [key]: null })
    } catch (error) {
      // The next start does it once more, which changes nothing.
      this.#log.warn({ err: error }, 'a duty that was done cannot be crossed off')
    }
  }
}

function keyOf(chore: Chore): string {
  return `${prefix}${chore.kind}:${subjectOf(chore)}`
}

function subjectOf(chore: Chore): string {
  switch (chore.kind) {
    case 'keycaps':
      return chore.ref
    case 'tell-doubt':
      return `${chore.user} ${chore.device}`
    case 'tell-plain':
      return `${chore.room} ${chore.user}`
    case 'verify':
      return chore.event
    case 'say':
      return chore.key
    case 'cancel-verification':
      return `${chore.user} ${chore.flow}`
    case 'answer-invitation':
    case 'tell-sealed':
    case 'follow-upgrade':
    case 'mark-direct':
      return chore.room
  }
}

/** Is the network or the homeserver in trouble, and not the duty itself? */
function mayPass(error: unknown): boolean {
  return error instanceof NoAnswer || (error instanceof MatrixError && (error.passing || error.deadToken))
}
