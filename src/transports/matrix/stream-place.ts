import { z } from 'zod'
import type { Memory } from '../../core/transport.ts'
import { MatrixError } from './client.ts'
import type { LastLife } from './earlier.ts'

const keptSchema = z.object({
  user: z.string(),
  /** Absent: the homeserver has lost it. */
  token: z.string().optional(),
  device: z.string().optional(),
  at: z.number().optional(),
})

const key = 'since'

/** Where the last batch ended. Another account has another stream. */
export function recallPlace(memory: Memory, user: string): string | undefined {
  const kept = recall(memory)
  return kept?.user === user ? kept.token : undefined
}

/** Milliseconds since 1970 of the last batch of this account, whether its place is still known or not. */
export function lastHeardAt(memory: Memory, user: string): number | undefined {
  const kept = recall(memory)
  return kept?.user === user ? kept.at : undefined
}

/** Up to when the bot has certainly lived, as which device. */
export function lastLife(memory: Memory): LastLife | undefined {
  const { device, at } = recall(memory) ?? {}
  return at === undefined ? undefined : { device, at }
}

/** What to remember with a batch that ends here. */
export function placePair(user: string, device: string, token: string): Readonly<Record<string, string>> {
  return { [key]: JSON.stringify({ user, token, device, at: Date.now() }) }
}

/** To begin anew, where the homeserver lost the place: when the bot last lived is still known. */
export function lostPlacePair(memory: Memory): Readonly<Record<string, string>> {
  return { [key]: JSON.stringify({ ...recall(memory), token: undefined }) }
}

/** Synapse calls a token that it does not know `M_UNKNOWN`, others `M_UNKNOWN_POS` or `M_INVALID_PARAM`. */
export function isUnknownPlace(error: unknown): error is MatrixError {
  const codes = ['M_UNKNOWN', 'M_UNKNOWN_POS', 'M_INVALID_PARAM']
  return error instanceof MatrixError && error.status === 400 && codes.includes(error.code)
}

function recall(memory: Memory): z.infer<typeof keptSchema> | undefined {
  const kept = memory.recall(key)
  return kept === undefined ? undefined : keptSchema.parse(JSON.parse(kept))
}
