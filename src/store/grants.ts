import { z } from 'zod'
import type { Grants } from '../core/store.ts'
import type { Sql } from './sql.ts'

const grantRow = z.object({ rule: z.string(), says: z.string() })

/** What was allowed for the rest of a session; a row goes with the row of its session. */
export function grants({ command, query, now }: Sql): Grants {
  const add = command(
    `insert into grants (place, strand, provider, rule, says, given_at)
     select place, strand, provider, ?, ?, ? from sessions where place = ? and strand = ? and provider = ?
     on conflict do nothing`,
  )
  const all = query(
    grantRow,
    'select rule, says from grants where place = ? and strand = ? and provider = ? order by given_at, rule',
  )
  return {
    addGrant(place, strand, provider, { rule, says }) {
      add(rule, says, now(), place, strand, provider)
    },
    grants: (place, strand, provider) => all.all(place, strand, provider),
  }
}
