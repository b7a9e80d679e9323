import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { IDBKeyRange as TheirRange, IDBFactory as TheirFactory } from 'fake-indexeddb'
import { eventually } from '../../../../../tests/support/eventually.ts'
import { runSeed as seed, seeded } from '../../../../../tests/support/seeded.ts'
import { IDBFactory } from './factory.ts'
import { indexedDbClasses } from './install.ts'
import { decodeKey, encodeKey } from './keys.ts'
import { IDBKeyRange } from './ranges.ts'

/** The part of an IndexedDB that both sides of the comparison have; its types are those of nobody. */
type Anything = any // oxlint-disable-line typescript/no-explicit-any

interface Side {
  readonly database: Anything
  readonly range: Anything
}

const transactions = Number(process.env['DUCTOR_FUZZ'] ?? 1_200)

function randomness(from: number): (below: number) => number {
  const random = seeded(from)
  return (below) => Math.floor(random() * below)
}

async function folder(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'ductor-indexeddb-'))
  t.after(() => rm(path, { recursive: true, force: true }))
  return path
}

function settled(request: Anything): Promise<Anything> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result)
    request.onerror = () => reject(request.error)
  })
}

function openWith(
  factory: Anything,
  version: number,
  upgrade: (database: Anything) => void,
): Promise<Anything> {
  const request = factory.open('d', version)
  request.onupgradeneeded = () => upgrade(request.result)
  return settled(request)
}

function furnish(database: Anything): void {
  database.createObjectStore('a')
  const b = database.createObjectStore('b')
  b.createIndex('one', 'x')
  b.createIndex('two', ['x', 'y'])
  b.createIndex('only', 'z', { unique: true })
}

type Step = (side: Side, transaction: Anything) => Promise<unknown>

function someStep(random: (below: number) => number, mode: string): Step {
  const key = someKey(random)
  const value = {
    x: [random(5), `x${random(5)}`, undefined, true][random(4)],
    y: random(3),
    z: `z${random(400)}`,
    d: new Uint8Array([random(256), random(256)]),
    n: { m: [random(9)] },
  }
  const limit = random(3) === 0 ? 1 + random(3) : undefined
  const range = someRange(random)
  const store = random(3) === 0 ? 'a' : 'b'
  const index = ['one', 'two', 'only'][random(3)]
  const at = (transaction: Anything) => transaction.objectStore(store)
  const in_ = (transaction: Anything) => transaction.objectStore('b').index(index)
  const reading: Step[] = [
    (_, tx) => settled(at(tx).get(key)),
    ({ range: r }, tx) => settled(at(tx).getAll(range(r), limit)),
    ({ range: r }, tx) => settled(at(tx).getAllKeys(range(r), limit)),
    ({ range: r }, tx) => settled(at(tx).count(range(r))),
    ({ range: r }, tx) => walk(at(tx), range(r)),
    (_, tx) => settled(in_(tx).get(key)),
    ({ range: r }, tx) => settled(in_(tx).getAll(range(r), limit)),
    ({ range: r }, tx) => settled(in_(tx).getAllKeys(range(r), limit)),
    ({ range: r }, tx) => settled(in_(tx).count(range(r))),
    ({ range: r }, tx) => walk(in_(tx), range(r)),
  ]
  const writing: Step[] = [
    (_, tx) => settled(at(tx).put(value, key)),
    (_, tx) => settled(at(tx).put(value, key)),
    (_, tx) => settled(at(tx).put(value, key)),
    (_, tx) => settled(at(tx).add(value, key)),
    (_, tx) => settled(at(tx).delete(key)),
  ]
  const rare: Step[] = [
    (_, tx) => settled(at(tx).clear()),
    ({ range: r }, tx) => walk(at(tx), range(r), (cursor) => cursor.delete()),
    ({ range: r }, tx) =>
      walk(at(tx), range(r), (cursor) => cursor.update({ ...cursor.value, z: undefined })),
    async ({ range: r }, tx) => {
      const query = range(r)
      return query === undefined ? undefined : settled(at(tx).delete(query))
    },
  ]
  const steps = mode === 'readonly' ? reading : random(30) === 0 ? rare : [...writing, ...reading]
  return steps[random(steps.length)] ?? (async () => {})
}

function someKey(random: (below: number) => number): unknown {
  return [
    `k${random(30)}`,
    random(20) - 10,
    [`r${random(5)}`, random(4)],
    `a\0b\x01${random(3)}`,
    random(100) / 7,
    [['n', random(3)], `é${random(3)}`],
    new Date(random(5) * 1000),
    ['😀', '\uffee', '\ud83d'][random(3)],
    new Uint8Array([0, random(3)]),
  ][random(9)]
}

function someRange(random: (below: number) => number): (ranges: Anything) => Anything {
  let [lower, upper] = [someKey(random), someKey(random)]
  const order = Buffer.compare(encodeKey(lower), encodeKey(upper))
  if (order > 0) [lower, upper] = [upper, lower]
  const [lowerOpen, upperOpen] = order === 0 ? [false, false] : [random(2) === 0, random(2) === 0]
  const kinds = [
    (ranges: Anything) => ranges.bound(lower, upper, lowerOpen, upperOpen),
    (ranges: Anything) => ranges.lowerBound(lower, lowerOpen),
    (ranges: Anything) => ranges.upperBound(upper, upperOpen),
    () => undefined,
  ]
  return kinds[random(kinds.length)] ?? (() => undefined)
}

/** What a cursor shows, from its first record to its last. */
function walk(source: Anything, query: Anything, act?: (cursor: Anything) => void): Promise<unknown[]> {
  const seen: unknown[] = []
  const request = source.openCursor(query)
  return new Promise((resolve, reject) => {
    request.onerror = () => reject(request.error)
    request.onsuccess = () => {
      const cursor = request.result
      if (cursor === null) return resolve(seen)
      seen.push([cursor.key, cursor.primaryKey, cursor.value])
      act?.(cursor)
      cursor.continue()
    }
  })
}

async function play(side: Side, mode: string, steps: readonly Step[], aborts: boolean): Promise<unknown[]> {
  const transaction = side.database.transaction(['a', 'b'], mode)
  const end = new Promise((resolve) => {
    transaction.oncomplete = () => resolve('complete')
    transaction.onabort = () => resolve('abort')
  })
  const seen: unknown[] = []
  try {
    for (const step of steps) seen.push(await step(side, transaction))
    if (aborts) transaction.abort()
  } catch (error) {
    seen.push(error instanceof Error || error instanceof DOMException ? error.name : error)
  }
  seen.push(await end)
  return seen
}

test(`it does what another IndexedDB does, whatever is asked of it (seed ${seed})`, async (t) => {
  t.diagnostic(`replay with DUCTOR_SEED=${seed}`)
  const random = randomness(seed)
  const path = await folder(t)
  const ours = () => new IDBFactory((name) => join(path, `${name}.sqlite`))
  let own: Side = { database: await openWith(ours(), 1, furnish), range: IDBKeyRange }
  const their: Side = { database: await openWith(new TheirFactory(), 1, furnish), range: TheirRange }
  for (let n = 1; n <= transactions; n++) {
    const mode = random(10) < 7 ? 'readwrite' : 'readonly'
    const aborts = mode === 'readwrite' && random(10) === 0
    const steps = Array.from({ length: 1 + random(5) }, () => someStep(random, mode))
    const expected = await play(their, mode, steps, aborts)
    assert.deepEqual(await play(own, mode, steps, aborts), expected, `transaction ${n}`)
    if (n % 300 === 0) {
      own.database.close()
      const reopened = await eventually(() => openWith(ours(), 1, () => assert.fail('it was made anew')))
      own = { ...own, database: reopened }
    }
  }
  own.database.close()
})

test('keys come back as they were, and sort as IndexedDB says', () => {
  const sorted = [
    [-Infinity, -2.5, -1, 0, 1e-300, 1, 1024, Infinity],
    [new Date(0), new Date(5)],
    ['', '\0', '\0\0', '\x01', 'a', 'a\0', 'aa', 'b', '\ud83d', '😀', '\uffee'],
    [
      new Uint8Array([]).buffer,
      new Uint8Array([0]).buffer,
      new Uint8Array([0, 0]).buffer,
      new Uint8Array([1]).buffer,
    ],
    [[], [1], [1, 'a'], [2], ['a'], [[]]],
  ].flat()
  assert.deepEqual(
    sorted.map((key) => decodeKey(encodeKey(key))),
    sorted,
  )
  const bytes = sorted.map((key) => encodeKey(key))
  for (const [n, one] of bytes.slice(1).entries()) {
    const before = bytes[n] ?? Buffer.alloc(0)
    assert.equal(Buffer.compare(before, one), -1, `key ${n}`)
  }
  for (const key of [Number.NaN, undefined, null, true, {}]) {
    assert.throws(() => encodeKey(key), { name: 'DataError' })
  }
})

test('a second user of the file is turned away, and the first notices nothing', async (t) => {
  const path = await folder(t)
  const factory = () => new IDBFactory((name) => join(path, `${name}.sqlite`))
  const first = await openWith(factory(), 1, furnish)
  await assert.rejects(openWith(factory(), 1, furnish), /database is locked/)
  await settled(first.transaction(['a'], 'readwrite').objectStore('a').put(1, 'k'))
  assert.equal(await settled(first.transaction(['a']).objectStore('a').get('k')), 1)
  first.close()
})

test('every write is counted, so that an older copy can be told from the store itself', async (t) => {
  const path = await folder(t)
  const factory = new IDBFactory((name) => join(path, `${name}.sqlite`))
  const database = await openWith(factory, 1, furnish)
  const before = factory.commits('d') ?? 0
  for (const key of ['k', 'l']) {
    const transaction = database.transaction(['a'], 'readwrite')
    transaction.objectStore('a').put(1, key)
    await new Promise((resolve) => (transaction.oncomplete = resolve))
  }
  await settled(database.transaction(['a']).objectStore('a').get('k'))
  assert.equal(factory.commits('d'), before + 2)
  database.close()
})

test('what is written together comes to the disk as one, and what failed in it not at all', async (t) => {
  const path = await folder(t)
  const factory = new IDBFactory((name) => join(path, `${name}.sqlite`))
  const database = await openWith(factory, 1, furnish)
  const before = factory.commits('d') ?? 0
  const write = (key: string, aborts = false) => {
    const transaction = database.transaction(['a'], 'readwrite')
    const request = transaction.objectStore('a').put(key, key)
    if (aborts) request.onsuccess = () => transaction.abort()
    return new Promise((resolve) => (transaction.oncomplete = transaction.onabort = resolve))
  }
  let onDisk = false
  await factory.together('d', async () => {
    await write('k')
    await write('no', true)
    await write('l')
    assert.equal(factory.commits('d'), before)
    void factory.onDisk('d').then(() => (onDisk = true))
    assert.deepEqual(await settled(database.transaction(['a']).objectStore('a').getAllKeys()), ['k', 'l'])
    assert.equal(onDisk, false)
  })
  assert.equal(factory.commits('d'), before + 2)
  await eventually(() => onDisk)
  await write('m')
  assert.equal(factory.commits('d'), before + 3)
  database.close()
})

test('everything that the wasm asks of an IndexedDB is there', () => {
  const asked = askedByTheWasm()
  const there = new Set(
    Object.values(indexedDbClasses).flatMap((one) => [
      ...Object.getOwnPropertyNames(one.prototype),
      ...Object.getOwnPropertyNames(one),
    ]),
  )
  const fields =
    'onsuccess onerror onupgradeneeded onabort oncomplete readyState result error transaction request target oldVersion length item'
  for (const field of fields.split(' ')) there.add(field)
  assert.ok(asked.length > 30, `only ${asked.length} were found: does the wasm look otherwise now?`)
  assert.deepEqual(
    asked.filter((name) => !there.has(name)),
    [],
  )
})

/** Members that the glue uses of other parts of a browser. */
const elsewhere = `Window WorkerGlobalScope at call code crypto debug done entries getRandomValues getTime global
  indexedDB info message msCrypto next node now performance process push queueMicrotask randomFillSync
  require set stack subarray then toString values versions warn constructor iterator resolve buffer
  byteLength byteOffset unique _wbg_cb_unref`

/** Members that the glue between the wasm and JavaScript uses, without those that belong to other parts of a browser. */
function askedByTheWasm(): readonly string[] {
  const main = createRequire(import.meta.url).resolve('@matrix-org/matrix-sdk-crypto-wasm')
  const glue = readFileSync(join(dirname(main), 'pkg/matrix_sdk_crypto_wasm_bg.js'), 'utf8')
  const bodies = [...glue.matchAll(/^export function __wbg_\w+\([^)]*\) \{.*?^\}/gms)].map(([body]) => body)
  const others = new Set(elsewhere.split(/\s+/))
  const members = bodies.flatMap((body) => [...body.matchAll(/\barg0\.(\w+)|\bIDBKeyRange\.(\w+)/g)])
  const classes = bodies.flatMap((body) => [...body.matchAll(/instanceof (IDB\w+)/g)])
  const names = [...members.map(([, own, of]) => own ?? of ?? ''), ...classes.map(([, name]) => name ?? '')]
  for (const [, name = ''] of classes) assert.ok(name in indexedDbClasses, name)
  return [...new Set(names)].filter((name) => !others.has(name) && !name.startsWith('IDB'))
}
