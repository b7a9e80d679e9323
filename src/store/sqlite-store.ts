import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite'
import { z } from 'zod'
import type { Inbound, Place } from '../core/message.ts'
import type { Usage } from '../core/provider.ts'
import type {
  InboxRow,
  InboxState,
  PostRow,
  PublicationRow,
  PublicationState,
  SessionRow,
  Store,
  StoredChoice,
  StrandRow,
  TraceLine,
  TraceSubject,
  TurnRow,
} from '../core/store.ts'
import {
  choiceRow,
  inboxRow,
  postRow,
  publicationRow,
  queueRow,
  sessionRow,
  strandRow,
  turnRow,
} from './rows.ts'
import { traceOf } from './trace.ts'

const pair = z.object({ key: z.string(), value: z.string() })
const count = z.object({ n: z.number() })

const placeColumns = 'c.place, c.transport, c.chat, c.thread'
const inboxColumns = 'seq, body, strand, state, turn, attempts, received_at'

/** The store on SQLite. Statements are prepared once, when they are first used. */
export class SqliteStore implements Store {
  readonly #db: DatabaseSync
  readonly #now: () => number
  readonly #statements = new Map<string, StatementSync>()
  #depth = 0

  constructor(db: DatabaseSync, now: () => number = Date.now) {
    this.#db = db
    this.#now = now
  }

  transaction<T>(work: () => T): T {
    if (this.#depth > 0) return work()
    this.#db.exec('begin immediate')
    this.#depth = 1
    try {
      const result = work()
      this.#db.exec('commit')
      return result
    } catch (error) {
      // SQLite has rolled back by itself after some errors (a full disk).
      if (this.#db.isTransaction) this.#db.exec('rollback')
      throw error
    } finally {
      this.#depth = 0
    }
  }

  addInbound(inbound: Inbound, state: InboxState, strand = ''): number | undefined {
    this.#meet(inbound.place)
    const messageId = 'messageId' in inbound ? inbound.messageId : null
    const { changes, lastInsertRowid } = this.#run(
      `insert into inbox (transport, id, place, strand, kind, message_id, body, state, received_at)
       values (?, ?, ?, ?, ?, ?, ?, ?, ?) on conflict (transport, id) do nothing`,
      inbound.place.transport,
      inbound.id,
      inbound.place.key,
      strand,
      inbound.kind,
      messageId,
      JSON.stringify(inbound),
      state,
      this.#now(),
    )
    return changes === 0 ? undefined : Number(lastInsertRowid)
  }

  inboundBySeq(seq: number): InboxRow | undefined {
    return this.#one(inboxRow, `select ${inboxColumns} from inbox where seq = ?`, seq)
  }

  inboundsOfTurn(turn: string): readonly InboxRow[] {
    return this.#all(inboxRow, `select ${inboxColumns} from inbox where turn = ? order by seq`, turn)
  }

  inboundOfMessage({ key, transport, chat }: Place, messageId: string): InboxRow | undefined {
    return this.#one(
      inboxRow,
      `select ${inboxColumns} from inbox i join conversations c using (place)
        where i.message_id = ? and i.kind = 'message' and (i.place = ? or (c.transport = ? and c.chat = ?))
        order by seq desc limit 1`,
      messageId,
      key,
      transport,
      chat,
    )
  }

  inboundsIn(state: InboxState, place?: string, strand?: string): readonly InboxRow[] {
    if (place === undefined)
      return this.#all(inboxRow, `select ${inboxColumns} from inbox where state = ? order by seq`, state)
    return this.#all(
      inboxRow,
      `select ${inboxColumns} from inbox where state = ? and place = ? and (? is null or strand = ?) order by seq`,
      state,
      place,
      strand ?? null,
      strand ?? null,
    )
  }

  nextQueued(place: string, strand: string, limit: number): readonly InboxRow[] {
    return this.#all(
      inboxRow,
      `select ${inboxColumns} from inbox where state = 'queued' and place = ? and strand = ? order by seq limit ?`,
      place,
      strand,
      limit,
    )
  }

  queues(): readonly { readonly place: Place; readonly strand: string }[] {
    return this.#all(
      queueRow,
      `select distinct ${placeColumns}, i.strand from inbox i join conversations c using (place) where i.state = 'queued'`,
    )
  }

  replaceText(seq: number, text: string): void {
    this.#run(`update inbox set body = json_set(body, '$.text', ?) where seq = ?`, text, seq)
  }

  setInboxState(seq: number, state: InboxState, turn?: string): void {
    this.#run('update inbox set state = ?, turn = coalesce(?, turn) where seq = ?', state, turn ?? null, seq)
  }

  countInbox(state: InboxState): number {
    return this.#one(count, 'select count(*) as n from inbox where state = ?', state)?.n ?? 0
  }

  countAttempt(seq: number): number {
    const row = z.object({ attempts: z.number() })
    const sql = 'update inbox set attempts = attempts + 1 where seq = ? returning attempts'
    return this.#one(row, sql, seq)?.attempts ?? 0
  }

  strand(place: string, name: string): StrandRow | undefined {
    return this.#one(strandRow, 'select * from strands where place = ? and strand = ?', place, name)
  }

  strands(place: string): readonly StrandRow[] {
    return this.#all(
      strandRow,
      `select * from strands where place = ? and strand <> '' order by used_at desc`,
      place,
    )
  }

  saveStrand(place: Place, { name, provider, model, effort, gist, madeAt, usedAt }: StrandRow): void {
    this.#meet(place)
    this.#run(
      `insert or replace into strands (place, strand, provider, model, effort, gist, made_at, used_at)
       values (?, ?, ?, ?, ?, ?, ?, ?)`,
      place.key,
      name,
      provider ?? null,
      model ?? null,
      effort ?? null,
      gist ?? null,
      madeAt,
      usedAt,
    )
  }

  removeStrand(place: string, name: string): void {
    this.#run('delete from sessions where place = ? and strand = ?', place, name)
    this.#run('delete from strands where place = ? and strand = ?', place, name)
  }

  session(place: string, strand: string, provider: string): SessionRow | undefined {
    const sql = 'select * from sessions where place = ? and strand = ? and provider = ?'
    return this.#one(sessionRow, sql, place, strand, provider)
  }

  sessions(place: string, strand: string): readonly SessionRow[] {
    const sql = 'select * from sessions where place = ? and strand = ? order by used_at desc'
    return this.#all(sessionRow, sql, place, strand)
  }

  setSession(place: Place, strand: string, provider: string, id: string | undefined): void {
    const known = this.session(place.key, strand, provider)?.id
    if (known === id) return
    this.#run(
      'delete from sessions where place = ? and strand = ? and provider = ?',
      place.key,
      strand,
      provider,
    )
    if (id === undefined) return
    this.#meet(place)
    this.#run(
      'insert into sessions (place, strand, provider, session, began_at, used_at) values (?, ?, ?, ?, ?, ?)',
      place.key,
      strand,
      provider,
      id,
      this.#now(),
      this.#now(),
    )
  }

  useSession(place: string, strand: string, provider: string, used: Usage): void {
    this.#run(
      `update sessions set used_at = ?, messages = messages + 1, cost_usd = cost_usd + ?,
         context_tokens = coalesce(?, context_tokens), context_window = coalesce(?, context_window)
        where place = ? and strand = ? and provider = ?`,
      this.#now(),
      used.costUsd ?? 0,
      used.contextTokens ?? null,
      used.contextWindow ?? null,
      place,
      strand,
      provider,
    )
  }

  startTurn({ id, place, strand, provider, startedAt }: TurnRow): void {
    this.#meet(place)
    this.#run(
      'insert into turns (id, place, strand, provider, started_at) values (?, ?, ?, ?, ?)',
      id,
      place.key,
      strand,
      provider,
      startedAt,
    )
  }

  endTurn(id: string, stop: string): void {
    this.#run('update turns set ended_at = ?, stop = ? where id = ?', this.#now(), stop, id)
  }

  runningTurns(): readonly TurnRow[] {
    return this.#all(
      turnRow,
      `select t.id, ${placeColumns}, t.strand, t.provider, t.started_at from turns t join conversations c using (place)
        where t.ended_at is null order by t.started_at`,
    )
  }

  turn(id: string): TurnRow | undefined {
    return this.#one(
      turnRow,
      `select t.id, ${placeColumns}, t.strand, t.provider, t.started_at from turns t join conversations c using (place)
        where t.id = ?`,
      id,
    )
  }

  addChoice(choice: StoredChoice): void {
    this.#run(
      `insert into choices (token, place, publication, label, style, action, made_at, position, spent)
       values (?, ?, ?, ?, ?, ?, ?, (select count(*) from choices where publication = ?), 0)`,
      choice.token,
      choice.place,
      choice.publication,
      choice.label,
      choice.style ?? null,
      JSON.stringify(choice.action),
      choice.madeAt,
      choice.publication,
    )
  }

  choice(token: string): StoredChoice | undefined {
    return this.#one(choiceRow, 'select * from choices where token = ?', token)
  }

  choicesOfMessage(place: string, ref: string): readonly StoredChoice[] {
    return this.#all(
      choiceRow,
      `select * from choices where place = ? and publication in (select publication from posts where ref = ?)
        order by publication, position`,
      place,
      ref,
    )
  }

  newestChoices(place: string): readonly StoredChoice[] {
    return this.#all(
      choiceRow,
      `select * from choices where spent = 0 and publication =
         (select publication from choices where place = ? and spent = 0 order by made_at desc limit 1)
        order by position`,
      place,
    )
  }

  publicationsWithChoicesBefore(at: number): readonly string[] {
    const row = z.object({ publication: z.string() })
    const sql = 'select distinct publication from choices where spent = 0 and made_at < ?'
    return this.#all(row, sql, at).map(({ publication }) => publication)
  }

  spendChoices(publication: string): void {
    this.#run('update choices set spent = 1 where publication = ?', publication)
  }

  savePublication({ key, place, view, state, turn, replyTo }: PublicationRow): void {
    this.#meet(place)
    this.#run(
      `insert into publications (key, place, view, state, turn, reply_to, made_at) values (?, ?, ?, ?, ?, ?, ?)
       on conflict (key) do update set view = excluded.view, state = excluded.state`,
      key,
      place.key,
      JSON.stringify(view),
      state,
      turn ?? null,
      replyTo ?? null,
      this.#now(),
    )
  }

  publication(key: string): PublicationRow | undefined {
    return this.#one(
      publicationRow,
      `select p.key, ${placeColumns}, p.view, p.state, p.turn, p.reply_to
         from publications p join conversations c using (place) where p.key = ?`,
      key,
    )
  }

  publicationOfPost(place: string, ref: string): PublicationRow | undefined {
    return this.#one(
      publicationRow,
      `select p.key, ${placeColumns}, p.view, p.state, p.turn, p.reply_to
         from posts o join publications p on p.key = o.publication join conversations c using (place)
        where o.ref = ? and p.place = ? order by p.made_at desc limit 1`,
      ref,
      place,
    )
  }

  setPublicationState(key: string, state: PublicationState): void {
    this.#run('update publications set state = ? where key = ?', state, key)
  }

  publicationsIn(state: PublicationState): readonly PublicationRow[] {
    return this.#all(
      publicationRow,
      `select p.key, ${placeColumns}, p.view, p.state, p.turn, p.reply_to
         from publications p join conversations c using (place) where p.state = ? order by p.made_at, p.key`,
      state,
    )
  }

  publicationsOfTurn(turn: string): readonly PublicationRow[] {
    return this.#all(
      publicationRow,
      `select p.key, ${placeColumns}, p.view, p.state, p.turn, p.reply_to
         from publications p join conversations c using (place) where p.turn = ? order by p.made_at, p.key`,
      turn,
    )
  }

  countPublications(state: PublicationState): number {
    return this.#one(count, 'select count(*) as n from publications where state = ?', state)?.n ?? 0
  }

  posts(publication: string): readonly PostRow[] {
    return this.#all(postRow, 'select * from posts where publication = ? order by number', publication)
  }

  putPost(publication: string, { index, attempt, ref, content, revision }: PostRow): void {
    this.#run(
      `insert into posts (publication, number, attempt, ref, content, revision) values (?, ?, ?, ?, ?, ?)
       on conflict (publication, number) do update set
         attempt = excluded.attempt, ref = excluded.ref, content = excluded.content, revision = excluded.revision`,
      publication,
      index,
      attempt,
      ref ?? null,
      JSON.stringify(content),
      revision,
    )
  }

  removePost(publication: string, index: number): void {
    this.#run('delete from posts where publication = ? and number = ?', publication, index)
  }

  refsInChatOf(place: string): ReadonlySet<string> {
    const rows = this.#all(
      postRow,
      `select posts.* from posts
         join publications p on p.key = posts.publication join conversations c on c.place = p.place
         join conversations here on here.transport = c.transport and here.chat = c.chat
        where here.place = ? and posts.ref is not null order by p.made_at desc limit 500`,
      place,
    )
    return new Set(rows.flatMap(({ ref }) => ref ?? []))
  }

  note({ seq, turn }: TraceSubject, event: string, detail?: string): void {
    this.#run(
      'insert into trace (seq, turn, at, event, detail) values (?, ?, ?, ?, ?)',
      seq ?? null,
      turn ?? null,
      this.#now(),
      event,
      detail ?? null,
    )
  }

  /** The life of a message; see `traceOf`. */
  trace(id: string): readonly TraceLine[] {
    return traceOf(this.#db, id)
  }

  recall(source: string, key: string): string | undefined {
    return this.#one(pair, 'select key, value from memory where source = ? and key = ?', source, key)?.value
  }

  list(source: string, prefix: string): readonly (readonly [string, string])[] {
    return this.#all(
      pair,
      'select key, value from memory where source = ? and key >= ? and key < ? order by key',
      source,
      prefix,
      // The highest code point: every key that begins with the prefix sorts below it.
      `${prefix}\u{10ffff}`,
    ).map(({ key, value }) => [key, value])
  }

  remember(source: string, entries: Readonly<Record<string, string | null>>): void {
    this.transaction(() => {
      for (const [key, value] of Object.entries(entries)) {
        if (value === null) this.#run('delete from memory where source = ? and key = ?', source, key)
        else
          this.#run('insert or replace into memory (source, key, value) values (?, ?, ?)', source, key, value)
      }
    })
  }

  /** Removes what was finished before `before` (milliseconds since 1970) and gives the space back. */
  prune(before: number): void {
    this.transaction(() => {
      this.#run(
        `delete from inbox where received_at < ? and state in ('done', 'cancelled', 'refused', 'dead', 'asked')`,
        before,
      )
      this.#run(`delete from turns where ended_at < ?`, before)
      this.#run(`delete from publications where made_at < ? and state in ('settled', 'dead')`, before)
      this.#run('delete from choices where made_at < ?', before)
      this.#run('delete from trace where at < ?', before)
    })
    this.#db.exec('pragma incremental_vacuum')
  }

  close(): void {
    this.#statements.clear()
    this.#db.close()
  }

  #meet({ key, transport, chat, thread }: Place): void {
    this.#run(
      'insert into conversations (place, transport, chat, thread) values (?, ?, ?, ?) on conflict do nothing',
      key,
      transport,
      chat,
      thread ?? null,
    )
  }

  #prepare(sql: string): StatementSync {
    const known = this.#statements.get(sql)
    if (known !== undefined) return known
    const statement = this.#db.prepare(sql)
    this.#statements.set(sql, statement)
    return statement
  }

  #run(sql: string, ...values: SQLInputValue[]) {
    return this.#prepare(sql).run(...values)
  }

  #one<T>(schema: z.ZodType<T>, sql: string, ...values: SQLInputValue[]): T | undefined {
    const row = this.#prepare(sql).get(...values)
    return row === undefined ? undefined : schema.parse(row)
  }

  #all<T>(schema: z.ZodType<T>, sql: string, ...values: SQLInputValue[]): T[] {
    return this.#prepare(sql)
      .all(...values)
      .map((row) => schema.parse(row))
  }
}
