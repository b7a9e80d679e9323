import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import { MatrixError, NoAnswer, path, type MatrixClient } from './client.ts'
import { done, type SyncAnswer } from './wire.ts'

/** What the bot writes to itself, as the account's own data: nobody else sees it. */
export const pulseType = 'ductor.pulse'

export interface Tempo {
  /** When nothing has come for so long, the bot looks whether anything could. */
  readonly silenceMs: number
  /** So long may it take to come back. */
  readonly patienceMs: number
  /** After so many failures of the homeserver's own in a row, the bot gives up its place in the stream. */
  readonly brokenSyncs: number
  /** How old what is known of aliases may become. */
  readonly aliasesMs: number
}

export const usualTempo: Tempo = {
  silenceMs: 5 * 60_000,
  patienceMs: 45_000,
  brokenSyncs: 8,
  aliasesMs: 24 * 60 * 60_000,
}

const beatSchema = z.object({ beat: z.string() })

/**
 * Finds out whether the bot still hears. A homeserver may answer every `/sync` and bring nothing, or hold one for ever:
 * in a long silence, something that the bot writes to itself has to come back.
 */
export class Pulse {
  readonly #tempo: Tempo
  #provenAt = Date.now()
  #beat: string | undefined
  #missed = 0

  constructor(tempo: Tempo) {
    this.#tempo = tempo
  }

  /** How often in a row it did not come back. */
  get missed(): number {
    return this.#missed
  }

  /** Takes notice of what a sync has brought. */
  feel({ rooms, account_data: data }: SyncAnswer): void {
    const beat = data?.events.findLast(({ type }) => type === pulseType)
    const own = beatSchema.safeParse(beat?.content).data?.beat
    const news = Object.keys(rooms.join).length + Object.keys(rooms.invite).length > 0
    if (!news && (own === undefined || own !== this.#beat)) return
    this.#provenAt = Date.now()
    this.#missed = 0
  }

  /** Looks again and again, until `signal` is aborted; calls `deaf` each time that nothing came back. */
  async run(client: MatrixClient, userId: string, deaf: () => void, signal: AbortSignal): Promise<void> {
    const { silenceMs, patienceMs } = this.#tempo
    this.#provenAt = Date.now()
    try {
      while (!signal.aborted) {
        const wait = this.#missed > 0 ? 0 : this.#provenAt + silenceMs - Date.now()
        if (wait > 0) await sleep(wait, undefined, { signal, ref: false })
        else if (!(await this.#isHeard(client, userId, patienceMs, signal))) {
          this.#missed += 1
          deaf()
        }
      }
    } catch (error) {
      if (!signal.aborted) throw error
    }
  }

  /** Also where the homeserver cannot be reached at all: whoever listens to it sees that by itself. */
  async #isHeard(
    client: MatrixClient,
    userId: string,
    patienceMs: number,
    signal: AbortSignal,
  ): Promise<boolean> {
    const begun = Date.now()
    this.#beat = randomUUID()
    const where = path`/user/${userId}/account_data/${pulseType}`
    try {
      await client.call({ method: 'PUT', path: where, body: { beat: this.#beat } }, done, signal)
    } catch (error) {
      if (!(error instanceof MatrixError || error instanceof NoAnswer)) throw error
      await sleep(patienceMs, undefined, { signal, ref: false })
      return true
    }
    while (this.#provenAt < begun && Date.now() - begun < patienceMs) {
      await sleep(Math.min(1000, patienceMs / 10), undefined, { signal, ref: false })
    }
    return this.#provenAt >= begun
  }
}
