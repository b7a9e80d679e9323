import { z } from 'zod'
import type { Action } from '../core/action.ts'
import type { Choices, StoredChoice } from '../core/store.ts'
import { own } from './columns.ts'
import type { Sql } from './sql.ts'

const choiceRow = z
  .object({
    token: z.string(),
    place: z.string(),
    publication: z.string(),
    label: z.string(),
    style: z.enum(['primary', 'danger']).nullable(),
    action: own<Action>(),
    made_at: z.number(),
    spent: z.number(),
  })
  .transform(({ style, made_at, spent, ...row }): StoredChoice => ({
    ...row,
    madeAt: made_at,
    spent: spent === 1,
    ...(style === null ? {} : { style }),
  }))
const publicationRow = z.object({ publication: z.string() })

/** What can be pressed, and what was. */
export function choices({ command, query }: Sql): Choices {
  const add = command(
    `insert into choices (token, place, publication, label, style, action, made_at, position, spent)
     values (?, ?, ?, ?, ?, ?, ?, (select count(*) from choices where publication = ?), 0)`,
  )
  const byToken = query(choiceRow, 'select * from choices where token = ?')
  const ofMessage = query(
    choiceRow,
    `select * from choices where place = ? and publication in (select publication from posts where ref = ?)
      order by spent, publication, position`,
  )
  const newest = query(
    choiceRow,
    `select * from choices where spent = 0 and publication =
       (select publication from choices where place = ? and spent = 0 and made_at <= ? order by made_at desc limit 1)
      order by position`,
  )
  const olderThan = query(
    publicationRow,
    'select distinct publication from choices where spent = 0 and made_at < ?',
  )
  const spend = command('update choices set spent = 1 where publication = ?')
  return {
    addChoice({ token, place, publication, label, style = null, action, madeAt }) {
      add(token, place, publication, label, style, JSON.stringify(action), madeAt, publication)
    },
    choice: (token) => byToken.one(token),
    choicesOfMessage: (place, ref) => ofMessage.all(place, ref),
    newestChoices: (place, at) => newest.all(place, at),
    publicationsWithChoicesBefore: (at) => olderThan.all(at).map(({ publication }) => publication),
    spendChoices: (publication) => void spend(publication),
  }
}
