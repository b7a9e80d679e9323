import { z } from 'zod'
import type { TurnRow, Turns } from '../core/store.ts'
import { meeting, placeColumns, placeShape, toPlace } from './places.ts'
import type { Sql } from './sql.ts'

const turnRow = z
  .object({ id: z.string(), ...placeShape, strand: z.string(), provider: z.string(), started_at: z.number() })
  .transform((row): TurnRow => ({
    id: row.id,
    place: toPlace(row),
    strand: row.strand,
    provider: row.provider,
    startedAt: row.started_at,
  }))

const found = `select t.id, ${placeColumns}, t.strand, t.provider, t.started_at
  from turns t join conversations c using (place)`

/** The turns that were begun, and how they ended. */
export function turns(sql: Sql): Turns {
  const { command, query, now } = sql
  const meet = meeting(sql)
  const start = command('insert into turns (id, place, strand, provider, started_at) values (?, ?, ?, ?, ?)')
  const end = command('update turns set ended_at = ?, stop = ? where id = ?')
  const running = query(turnRow, `${found} where t.ended_at is null order by t.started_at`)
  const one = query(turnRow, `${found} where t.id = ?`)
  return {
    startTurn({ id, place, strand, provider, startedAt }) {
      meet(place)
      start(id, place.key, strand, provider, startedAt)
    },
    endTurn: (id, stop) => void end(now(), stop, id),
    runningTurns: () => running.all(),
    turn: (id) => one.one(id),
  }
}
