import { z } from 'zod'
import type { SessionRow, Sessions } from '../core/store.ts'
import { meeting } from './places.ts'
import type { Sql } from './sql.ts'

const sessionRow = z
  .object({
    provider: z.string(),
    session: z.string(),
    began_at: z.number(),
    used_at: z.number(),
    messages: z.number(),
    cost_usd: z.number(),
    context_tokens: z.number().nullable(),
    context_window: z.number().nullable(),
  })
  .transform((row): SessionRow => ({
    provider: row.provider,
    id: row.session,
    beganAt: row.began_at,
    usedAt: row.used_at,
    messages: row.messages,
    costUsd: row.cost_usd,
    ...(row.context_tokens === null ? {} : { contextTokens: row.context_tokens }),
    ...(row.context_window === null ? {} : { contextWindow: row.context_window }),
  }))

/** The session that each strand has with each provider. */
export function sessions(sql: Sql): Sessions {
  const { command, query, now } = sql
  const meet = meeting(sql)
  const one = query(sessionRow, 'select * from sessions where place = ? and strand = ? and provider = ?')
  const all = query(sessionRow, 'select * from sessions where place = ? and strand = ? order by used_at desc')
  const forget = command('delete from sessions where place = ? and strand = ? and provider = ?')
  const begin = command(
    'insert into sessions (place, strand, provider, session, began_at, used_at) values (?, ?, ?, ?, ?, ?)',
  )
  const use = command(
    `update sessions set used_at = ?, messages = messages + 1, cost_usd = cost_usd + ?,
       context_tokens = coalesce(?, context_tokens), context_window = coalesce(?, context_window)
      where place = ? and strand = ? and provider = ?`,
  )
  return {
    session: (place, strand, provider) => one.one(place, strand, provider),
    sessions: (place, strand) => all.all(place, strand),
    setSession(place, strand, provider, id) {
      if (one.one(place.key, strand, provider)?.id === id) return
      forget(place.key, strand, provider)
      if (id === undefined) return
      meet(place)
      begin(place.key, strand, provider, id, now(), now())
    },
    useSession(place, strand, provider, { costUsd = 0, contextTokens = null, contextWindow = null }) {
      use(now(), costUsd, contextTokens, contextWindow, place, strand, provider)
    },
  }
}
