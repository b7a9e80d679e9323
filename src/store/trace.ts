import type { DatabaseSync } from 'node:sqlite'
import { z } from 'zod'
import type { TraceLine } from '../core/store.ts'
import { traceRow } from './rows.ts'

const subject = z.object({ seq: z.number().nullable(), turn: z.string().nullable() })

/**
 * The life of the message that `id` names: the network's own id of a message from either side, or of the event that
 * brought it; `<place>/<id>` where the id alone is not enough (Telegram counts anew in each chat). In the order of time.
 */
export function traceOf(db: DatabaseSync, id: string): TraceLine[] {
  const { place, message } = splitId(id)
  const subjects = db
    .prepare(
      `select seq, turn from inbox where (message_id = :id or id = :id) and (:place is null or place = :place)
       union
       select null, p.turn from posts o join publications p on p.key = o.publication
        where o.ref = :id and p.turn is not null and (:place is null or p.place = :place)`,
    )
    .all({ id: message, place })
    .map((row) => subject.parse(row))
  const turns = new Set(subjects.flatMap(({ turn }) => turn ?? []))
  const seqs = new Set(subjects.flatMap(({ seq }) => seq ?? []))
  for (const turn of turns) {
    const rows = db.prepare('select seq, turn from inbox where turn = ?').all(turn)
    for (const row of rows) seqs.add(subject.parse(row).seq ?? 0)
  }
  return db
    .prepare(
      `select at, event, detail from trace
        where seq in (select value from json_each(:seqs)) or turn in (select value from json_each(:turns))
        order by at, id`,
    )
    .all({ seqs: JSON.stringify([...seqs]), turns: JSON.stringify([...turns]) })
    .map((row) => traceRow.parse(row))
}

function splitId(id: string): { place: string | null; message: string } {
  const match = /^((?:tg|mx|web):[^/]+)\/(.+)$/.exec(id)
  return { place: match?.[1] ?? null, message: match?.[2] ?? id }
}
