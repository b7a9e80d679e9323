import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { InMemoryStore } from '../../../tests/contracts/in-memory.ts'
import { eventually } from '../../../tests/support/eventually.ts'
import { startSynapse, whyNoSynapse } from '../../../tests/support/synapse.ts'
import { arrive } from './bot.fake.ts'
import definition from './index.ts'

const missing = await whyNoSynapse()

const skip = missing === undefined ? {} : { skip: missing }

test('memory stays as it is, however many messages come in however many rooms', skip, async (t) => {
  const synapse = await startSynapse()
  t.after(() => synapse.stop())
  const owner = await arrive(synapse, 'owner')
  const { userId } = await synapse.register('listener', 'a password')
  const home = await mkdtemp(join(tmpdir(), 'ductor-matrix-'))
  t.after(() => rm(home, { recursive: true, force: true }))
  const memory = new InMemoryStore()
  const silent = { debug() {}, info() {}, warn() {}, error() {} }
  const deps = { home, memory, log: silent, report() {}, heard() {} }
  const account = { homeserver: synapse.url, user_id: userId, password: 'a password' }
  const transport = await definition.open(definition.config.parse({ matrix: account }), deps)
  const end = new AbortController()
  let heard = 0
  const intake = {
    ...memory.intake(end.signal),
    // Nothing is kept of what came, as the store would not keep it in memory either.
    take: async (batch: readonly unknown[], remember: Readonly<Record<string, string | null>> = {}) => {
      heard += batch.length
      memory.remember(remember)
    },
  }
  const listening = transport.listen(intake, end.signal)
  t.after(async () => {
    end.abort()
    await listening
  })
  const rooms: string[] = []
  for (let index = 0; index < 10; index++) rooms.push(await owner.createRoom({ invite: [userId] }))
  for (const room of rooms) await owner.waitForMembership(room, userId, 'join')

  let said = 0
  const talk = async (rounds: number): Promise<void> => {
    for (let round = 0; round < rounds; round++) {
      await Promise.all(rooms.map((room) => owner.say(room, `message ${round} ${'x'.repeat(40_000)}`)))
      said += rooms.length
    }
    await eventually(() => heard === said, 'all of them', 60_000)
  }
  await talk(10)
  const before = heapUsed()
  await talk(40)
  const grown = heapUsed() - before
  // 400 messages of 40 kB: kept, they would be sixteen megabytes. The rest of the heap comes and goes by five.
  assert.ok(grown < 8_000_000, `the heap grew by ${grown} bytes`)
})

/** Of what is still needed. */
function heapUsed(): number {
  setFlagsFromString('--expose-gc')
  const collect: unknown = runInNewContext('gc')
  if (typeof collect === 'function') for (let round = 0; round < 3; round++) collect()
  return process.memoryUsage().heapUsed
}
