import type { z } from 'zod'
import { MatrixError, type Call, type MatrixClient } from '../client.ts'
import { proofWanted } from './wire.ts'

/** Only a person can prove it; the message says how. */
export class ProofNeeded extends Error {
  override readonly name = 'ProofNeeded'
}

/**
 * Makes a call for which the homeserver may want to be sure once more who we are (User-Interactive Authentication).
 * Throws `ProofNeeded` where only a person can prove it.
 */
export async function proven<T>(
  client: MatrixClient,
  call: Call,
  body: unknown,
  { user, password }: { readonly user: string; readonly password: string | undefined },
  answer: z.ZodType<T>,
  signal: AbortSignal,
): Promise<T> {
  try {
    return await client.call({ ...call, body }, answer, signal)
  } catch (error) {
    const wanted = error instanceof MatrixError ? proofWanted.safeParse(error.answer).data : undefined
    if (wanted === undefined) throw error
    const byPassword = wanted.flows.some(
      ({ stages }) => stages.length === 1 && stages[0] === 'm.login.password',
    )
    if (!byPassword || password === undefined) throw new ProofNeeded(refusal(wanted.params), { cause: error })
    const identifier = { type: 'm.id.user', user }
    const auth = { type: 'm.login.password', identifier, password, session: wanted.session }
    const more = typeof body === 'object' && body !== null ? body : {}
    return client.call({ ...call, body: { ...more, auth } }, answer, signal)
  }
}

function refusal(params: Readonly<Record<string, unknown>> | undefined): string {
  const url = urlIn(params)
  const where = url === undefined ? '' : ` Open ${url} as the bot and allow it, then start ductor again.`
  return `The session of the bot is not verified: before it takes an identity for the bot, the homeserver wants to be sure who asks. Set matrix.password for one start.${where}`
}

/** Where a person allows it in a browser, by MSC4312 and by what came before. */
function urlIn(params: Readonly<Record<string, unknown>> | undefined): string | undefined {
  for (const name of ['m.oauth', 'org.matrix.cross_signing_reset']) {
    const stage = params?.[name]
    if (typeof stage !== 'object' || stage === null || !('url' in stage)) continue
    if (typeof stage.url === 'string' && stage.url.startsWith('https://')) return stage.url
  }
  return undefined
}
