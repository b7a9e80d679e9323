import { z } from 'zod'
import type { PublicationRow, Publications } from '../core/store.ts'
import type { View } from '../core/view.ts'
import { count, optionalText, own } from './columns.ts'
import { meeting, placeColumns, placeShape, toPlace } from './places.ts'
import type { Sql } from './sql.ts'

const publicationRow = z
  .object({
    key: z.string(),
    ...placeShape,
    view: own<View>(),
    state: z.enum(['live', 'final', 'settled', 'dead']),
    turn: optionalText,
    reply_to: optionalText,
  })
  .transform((row): PublicationRow => ({
    key: row.key,
    place: toPlace(row),
    view: row.view,
    state: row.state,
    ...(row.turn === undefined ? {} : { turn: row.turn }),
    ...(row.reply_to === undefined ? {} : { replyTo: row.reply_to }),
  }))

const columns = `p.key, ${placeColumns}, p.view, p.state, p.turn, p.reply_to`
const found = `select ${columns} from publications p join conversations c using (place)`

/** What the chats should show. */
export function publications(sql: Sql): Publications {
  const { command, query, now } = sql
  const meet = meeting(sql)
  const save = command(
    `insert into publications (key, place, view, state, turn, reply_to, made_at) values (?, ?, ?, ?, ?, ?, ?)
     on conflict (key) do update set view = excluded.view, state = excluded.state`,
  )
  const byKey = query(publicationRow, `${found} where p.key = ?`)
  const ofPost = query(
    publicationRow,
    `select ${columns}
       from posts o join publications p on p.key = o.publication join conversations c using (place)
      where o.ref = ? and p.place = ? order by p.made_at desc limit 1`,
  )
  const setState = command('update publications set state = ? where key = ?')
  const inState = query(publicationRow, `${found} where p.state = ? order by p.made_at, p.key`)
  const ofTurn = query(publicationRow, `${found} where p.turn = ? order by p.made_at, p.key`)
  const howMany = query(count, 'select count(*) as n from publications where state = ?')
  return {
    savePublication({ key, place, view, state, turn = null, replyTo = null }) {
      meet(place)
      save(key, place.key, JSON.stringify(view), state, turn, replyTo, now())
    },
    publication: (key) => byKey.one(key),
    publicationOfPost: (place, ref) => ofPost.one(ref, place),
    setPublicationState: (key, state) => void setState(state, key),
    publicationsIn: (state) => inState.all(state),
    publicationsOfTurn: (turn) => ofTurn.all(turn),
    countPublications: (state) => howMany.one(state)?.n ?? 0,
  }
}
