import { z } from 'zod'
import type { TraceLine, Traces } from '../core/store.ts'
import { optionalText } from './columns.ts'
import type { Sql } from './sql.ts'

const traceRow = z
  .object({ at: z.number(), event: z.string(), detail: optionalText })
  .transform(({ at, event, detail }): TraceLine => ({
    at,
    event,
    ...(detail === undefined ? {} : { detail }),
  }))
const subjectRow = z.object({ seq: z.number().nullable(), turn: z.string().nullable() })

/** What became of each message. */
export function traces({ command, query, now }: Sql): Traces {
  const note = command('insert into trace (seq, turn, at, event, detail) values (?, ?, ?, ?, ?)')
  const subjects = query(
    subjectRow,
    `select seq, turn from inbox where (message_id = ?1 or id = ?1) and (?2 is null or place = ?2)
     union
     select null, p.turn from posts o join publications p on p.key = o.publication
      where o.ref = ?1 and p.turn is not null and (?2 is null or p.place = ?2)`,
  )
  const ofTurn = query(subjectRow, 'select seq, turn from inbox where turn = ?')
  const lines = query(
    traceRow,
    `select at, event, detail from trace
      where seq in (select value from json_each(?)) or turn in (select value from json_each(?))
      order by at, id`,
  )
  return {
    note({ seq = null, turn = null }, event, detail) {
      note(seq, turn, now(), event, detail ?? null)
    },
    trace(id) {
      const { place, message } = splitId(id)
      const named = subjects.all(message, place)
      const turns = new Set(named.flatMap(({ turn }) => turn ?? []))
      const others = [...turns].flatMap((turn) => ofTurn.all(turn))
      const seqs = new Set([...named, ...others].flatMap(({ seq }) => seq ?? []))
      return lines.all(JSON.stringify([...seqs]), JSON.stringify([...turns]))
    },
  }
}

function splitId(id: string): { readonly place: string | null; readonly message: string } {
  const match = /^((?:tg|mx|web):[^/]+)\/(.+)$/.exec(id)
  return { place: match?.[1] ?? null, message: match?.[2] ?? id }
}
