import { z } from 'zod'
import type { StrandRow, Strands } from '../core/store.ts'
import { optionalText } from './columns.ts'
import { meeting } from './places.ts'
import type { Sql } from './sql.ts'

const strandRow = z
  .object({
    strand: z.string(),
    provider: optionalText,
    model: optionalText,
    effort: optionalText,
    gist: optionalText,
    made_at: z.number(),
    used_at: z.number(),
  })
  .transform(({ strand, provider, model, effort, gist, made_at, used_at }): StrandRow => ({
    name: strand,
    madeAt: made_at,
    usedAt: used_at,
    ...(provider === undefined ? {} : { provider }),
    ...(model === undefined ? {} : { model }),
    ...(effort === undefined ? {} : { effort }),
    ...(gist === undefined ? {} : { gist }),
  }))

/** The parallel sessions of the places, and what was chosen for them. */
export function strands(sql: Sql): Strands {
  const { command, query } = sql
  const meet = meeting(sql)
  const named = query(strandRow, 'select * from strands where place = ? and strand = ?')
  const ofPlace = query(
    strandRow,
    `select * from strands where place = ? and strand <> '' order by used_at desc`,
  )
  const save = command(
    `insert or replace into strands (place, strand, provider, model, effort, gist, made_at, used_at)
     values (?, ?, ?, ?, ?, ?, ?, ?)`,
  )
  const removeSessions = command('delete from sessions where place = ? and strand = ?')
  const remove = command('delete from strands where place = ? and strand = ?')
  return {
    strand: (place, name) => named.one(place, name),
    strands: (place) => ofPlace.all(place),
    saveStrand(place, { name, provider = null, model = null, effort = null, gist = null, madeAt, usedAt }) {
      meet(place)
      save(place.key, name, provider, model, effort, gist, madeAt, usedAt)
    },
    removeStrand(place, name) {
      removeSessions(place, name)
      remove(place, name)
    },
  }
}
