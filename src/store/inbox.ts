import { z } from 'zod'
import type { Inbound } from '../core/message.ts'
import type { Inbox, InboxRow } from '../core/store.ts'
import { count, optionalText, own } from './columns.ts'
import { meeting, placeColumns, placeShape, toPlace } from './places.ts'
import type { Sql } from './sql.ts'

const inboxRow = z
  .object({
    seq: z.number(),
    body: own<Inbound>(),
    strand: z.string(),
    state: z.enum(['pending', 'queued', 'stale', 'running', 'asked', 'done', 'cancelled', 'refused', 'dead']),
    turn: optionalText,
    attempts: z.number(),
    received_at: z.number(),
  })
  .transform(({ body, turn, received_at, ...row }): InboxRow => ({
    ...row,
    inbound: body,
    receivedAt: received_at,
    ...(turn === undefined ? {} : { turn }),
  }))
const attemptsRow = z.object({ attempts: z.number() })
const queueRow = z
  .object({ ...placeShape, strand: z.string() })
  .transform((row) => ({ place: toPlace(row), strand: row.strand }))

const found = 'select seq, body, strand, state, turn, attempts, received_at from inbox'

/** What was heard, and how it stands. */
export function inbox(sql: Sql): Inbox {
  const { command, query, now } = sql
  const meet = meeting(sql)
  const add = command(
    `insert into inbox (transport, id, place, strand, kind, message_id, body, state, received_at)
     values (?, ?, ?, ?, ?, ?, ?, ?, ?) on conflict (transport, id) do nothing`,
  )
  const bySeq = query(inboxRow, `${found} where seq = ?`)
  const ofTurn = query(inboxRow, `${found} where turn = ? order by seq`)
  const ofMessage = query(
    inboxRow,
    `${found} i join conversations c using (place)
      where i.message_id = ? and i.kind = 'message' and (i.place = ? or (c.transport = ? and c.chat = ?))
      order by seq desc limit 1`,
  )
  const changes = query(
    inboxRow,
    `${found} i join conversations c using (place)
      where i.message_id = ? and i.kind in ('edit', 'redaction') and i.state = 'done'
        and (i.place = ? or (c.transport = ? and c.chat = ?))
      order by seq`,
  )
  const inState = query(inboxRow, `${found} where state = ? order by seq`)
  const inStateHere = query(
    inboxRow,
    `${found} where state = ? and place = ? and (? is null or strand = ?) order by seq`,
  )
  const next = query(
    inboxRow,
    `${found} where state = 'queued' and place = ? and strand = ? order by seq limit ?`,
  )
  const queued = query(
    queueRow,
    `select ${placeColumns}, i.strand from inbox i join conversations c using (place) where i.state = 'queued'
       group by i.place, i.strand order by min(i.seq)`,
  )
  const setText = command(`update inbox set body = json_set(body, '$.text', ?) where seq = ?`)
  const setState = command(
    `update inbox set state = ?1,
       turn = case when ?1 in ('queued', 'pending') then ?2 else coalesce(?2, turn) end where seq = ?3`,
  )
  const howMany = query(count, 'select count(*) as n from inbox where state = ?')
  const oneMore = query(
    attemptsRow,
    'update inbox set attempts = attempts + 1 where seq = ? returning attempts',
  )
  return {
    addInbound(inbound, state, strand = '') {
      const { id, place, kind } = inbound
      meet(place)
      const messageId = 'messageId' in inbound ? inbound.messageId : null
      const body = JSON.stringify(inbound)
      const added = add(place.transport, id, place.key, strand, kind, messageId, body, state, now())
      return added.changes === 0 ? undefined : Number(added.lastInsertRowid)
    },
    inboundBySeq: (seq) => bySeq.one(seq),
    inboundsOfTurn: (turn) => ofTurn.all(turn),
    inboundOfMessage: ({ key, transport, chat }, messageId) => ofMessage.one(messageId, key, transport, chat),
    changesOf: ({ key, transport, chat }, messageId) => changes.all(messageId, key, transport, chat),
    inboundsIn(state, place, strand) {
      if (place === undefined) return inState.all(state)
      return inStateHere.all(state, place, strand ?? null, strand ?? null)
    },
    nextQueued: (place, strand, limit) => next.all(place, strand, limit),
    queues: () => queued.all(),
    replaceText: (seq, text) => void setText(text, seq),
    setInboxState: (seq, state, turn) => void setState(state, turn ?? null, seq),
    countInbox: (state) => howMany.one(state)?.n ?? 0,
    countAttempt: (seq) => oneMore.one(seq)?.attempts ?? 0,
  }
}
