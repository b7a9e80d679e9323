import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe, test, type TestContext } from 'node:test'
import { message, place, silentLog } from '../../tests/support/stage.ts'
import { untilStored } from '../core/until-stored.ts'
import { openDatabase } from './open.ts'
import { sqliteStore, type SqliteStore } from './sqlite-store.ts'

function file(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'ductor-store-'))
  t.after(() => rmSync(folder, { recursive: true }))
  return join(folder, 'ductor.db')
}

/** Gives the store; where it is in a file, closed and opened again each time. */
function opener(t: TestContext, kind: string): () => SqliteStore {
  const path = kind === 'in memory' ? ':memory:' : file(t)
  let store = sqliteStore(openDatabase(path))
  t.after(() => store.close())
  return () => {
    if (path === ':memory:') return store
    store.close()
    store = sqliteStore(openDatabase(path))
    return store
  }
}

/** Each promise is kept in memory, and by a file that is closed and opened between any two steps. */
for (const kind of ['in memory', 'in a file that is reopened at each step'] as const) {
  describe(`the store, ${kind}`, () => {
    test('an event is taken once', (t) => {
      const store = opener(t, kind)
      const hello = message('hello')
      assert.equal(store().addInbound(hello, 'queued'), 1)
      assert.equal(store().addInbound(hello, 'queued'), undefined)
      assert.deepEqual(store().nextQueued(place.key, '', 1)[0]?.inbound, hello)
    })

    test('what waits comes in the order in which it was taken', (t) => {
      const store = opener(t, kind)
      for (const text of ['a', 'b', 'c']) store().addInbound(message(text), 'queued')
      store().setInboxState(1, 'done')
      assert.equal(store().nextQueued(place.key, '', 1)[0]?.seq, 2)
      assert.equal(store().countInbox('queued'), 2)
    })

    test('a transaction that throws leaves nothing behind, nested ones included', (t) => {
      const store = opener(t, kind)
      const opened = store()
      assert.throws(() =>
        opened.transaction(() => {
          opened.addInbound(message('a'), 'queued')
          opened.transaction(() => opened.remember('x', { offset: '1' }))
          throw new Error('power cut')
        }),
      )
      assert.equal(store().countInbox('queued'), 0)
      assert.equal(store().recall('x', 'offset'), undefined)
    })

    test('sources remember only what is theirs, in the order of the keys', (t) => {
      const store = opener(t, kind)
      store().remember('a', { 'room:2': 'two', 'room:1': 'one', other: 'x' })
      store().remember('b', { 'room:3': 'three' })
      assert.deepEqual(store().list('a', 'room:'), [
        ['room:1', 'one'],
        ['room:2', 'two'],
      ])
      store().remember('a', { 'room:1': null })
      assert.equal(store().recall('a', 'room:1'), undefined)
    })

    test('choices keep their order and are spent together', (t) => {
      const store = opener(t, kind)
      for (const label of ['yes', 'no']) {
        store().addChoice({
          token: label,
          label,
          place: place.key,
          publication: 'ask',
          action: { do: 'cancel', seq: 1 },
          madeAt: 1,
          spent: false,
        })
      }
      assert.deepEqual(
        store()
          .newestChoices(place.key, Date.now())
          .map(({ label }) => label),
        ['yes', 'no'],
      )
      store().spendChoices('ask')
      assert.deepEqual(store().newestChoices(place.key, Date.now()), [])
      assert.equal(store().choice('no')?.spent, true)
    })

    test('the life of a message is found by its id from either side', (t) => {
      const store = opener(t, kind)
      const hello = message('hello')
      const seq = store().addInbound(hello, 'queued') ?? 0
      store().note({ seq }, 'received')
      store().startTurn({ id: 't', place, strand: '', provider: 'demo', startedAt: 1 })
      store().setInboxState(seq, 'running', 't')
      store().savePublication({
        key: 'turn/t',
        place,
        view: { state: 'ended', parts: [], choices: [] },
        state: 'final',
        turn: 't',
      })
      store().putPost('turn/t', { index: 0, attempt: 0, ref: '77', content: {}, revision: 0 })
      store().note({ turn: 't' }, 'delivered', 'as 77')
      const events = ['received', 'delivered']
      for (const id of [hello.messageId, hello.id, `tg:1/${hello.messageId}`, '77', 'tg:1/77']) {
        assert.deepEqual(
          store()
            .trace(id)
            .map(({ event }) => event),
          events,
          id,
        )
      }
      assert.deepEqual(store().trace('tg:2/77'), [])
    })

    test('what is old and finished goes; what waits stays however old it is', (t) => {
      const store = opener(t, kind)
      store().addInbound(message('done'), 'done')
      store().addInbound(message('waits'), 'queued')
      store().prune(Date.now() + 1000)
      assert.equal(store().countInbox('done'), 0)
      assert.equal(store().countInbox('queued'), 1)
    })
  })
}

const noBits = process.platform === 'win32' ? 'Windows has no such bits' : false

test('nobody else on this machine can read the store, in whatever folder it is', { skip: noBits }, (t) => {
  const path = file(t)
  chmodSync(dirname(path), 0o755)
  const store = sqliteStore(openDatabase(path))
  t.after(() => store.close())
  store.addInbound(message('a secret'), 'queued')
  const files = readdirSync(dirname(path))
  assert.ok(files.length > 1, 'its log of writes is there, too')
  for (const name of files) assert.equal(statSync(join(dirname(path), name)).mode & 0o077, 0, name)
})

test('a store that a newer ductor wrote is refused with a clear line, and left as it is', (t) => {
  const path = file(t)
  openDatabase(path).close()
  const newer = new DatabaseSync(path)
  newer.exec('pragma user_version = 999')
  newer.close()
  assert.throws(() => openDatabase(path), /written by a newer ductor/)
})

test('a store that another program holds for a moment is waited for', async (t) => {
  const path = file(t)
  openDatabase(path).close()
  const holder = spawn(process.execPath, [
    '-e',
    `const db = new (require('node:sqlite').DatabaseSync)(process.argv[1])
    db.exec('begin exclusive')
    console.log('held')
    // It lets go by itself: whoever waits for it can do nothing meanwhile.
    setTimeout(() => db.close(), 500)`,
    path,
  ])
  await once(holder.stdout, 'data')
  const store = sqliteStore(openDatabase(path))
  t.after(() => store.close())
  assert.equal(store.addInbound(message('hello'), 'queued'), 1)
})

test('while the disk is full nothing is given up, and it goes on by itself when there is room', async (t) => {
  const db = openDatabase(file(t))
  const store = sqliteStore(db)
  t.after(() => store.close())
  db.exec('pragma max_page_count = 1')
  let trouble: string | undefined
  const pages = Number(db.prepare('pragma page_count').get()?.['page_count'])
  const stored = untilStored(
    () => store.transaction(() => store.addInbound(message('x'.repeat(100_000)), 'queued')),
    {
      log: silentLog,
      trouble(what) {
        trouble = what
        // Somebody made room.
        if (what !== undefined) db.exec(`pragma max_page_count = ${pages + 1000}`)
      },
    },
  )
  assert.match(trouble ?? '', /full/)
  assert.equal(await stored, 1)
  assert.equal(trouble, undefined)
})
