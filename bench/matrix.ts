// A large account and many messages on a real homeserver, through the real program with the demo agent: the first
// sync beside a bare one, and what ductor holds while it waits and as it answers.
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import { Home, type Running } from '../tests/support/ductor.ts'
import { eventually } from '../tests/support/eventually.ts'
import { MatrixPerson } from '../tests/support/matrix-person.ts'
import { startSynapse, whyNoSynapse, type Synapse } from '../tests/support/synapse.ts'
import { memoryOf } from './memory.ts'

const manyRooms = 500
const syncRounds = 3
const talkedIn = 100
/** As many conversations as the demo agent keeps processes for: a start for each message would measure those. */
const atOnce = 20
/** After which a start or a turn has left no more work behind. */
const settleMs = 3000
const password = 'secret of the account'

export async function benchMatrix(messages: number): Promise<void> {
  z.int().positive().parse(messages)
  const noSynapse = await whyNoSynapse()
  if (noSynapse !== undefined) return print('Matrix', noSynapse)
  const synapse = await startSynapse()
  try {
    const owner = await MatrixPerson.arrive(synapse, 'owner')
    await firstSync(synapse, owner)
    await answering(synapse, owner, messages)
  } finally {
    await synapse.stop()
  }
}

/** Each round is a device of its own: the homeserver gives the same device the same answer again. */
async function firstSync(synapse: Synapse, owner: MatrixPerson): Promise<void> {
  const bot = await joined(synapse, owner, 'much-invited', manyRooms)
  const bare: number[] = []
  const first: number[] = []
  const later: number[] = []
  for (let n = 0; n < syncRounds; n += 1) {
    const person = new MatrixPerson(synapse.url, await synapse.login(bot, password))
    bare.push(await timed(() => person.call('GET', '/sync')))
    await using home = homeOf(synapse, bot, owner)
    const running = home.start()
    first.push(await timed(() => running.ready()))
    await sleep(settleMs)
    if (n === syncRounds - 1) print(`resident when idle, ${manyRooms} rooms`, memoryOf(running.child.pid))
    await running.stop()
    const again = home.start()
    later.push(await timed(() => again.ready()))
    await again.stop()
  }
  const times = `${(median(first) / median(bare)).toFixed(2)} times that`
  print(`a bare first sync of ${manyRooms} rooms`, seconds(median(bare)))
  print('the first start of ductor, to ready', `${seconds(median(first))}, ${times}`)
  print('a later start, to ready', seconds(median(later)))
}

/** What is held when idle, and then with more and more answers behind it. */
async function answering(synapse: Synapse, owner: MatrixPerson, messages: number): Promise<void> {
  const bot = await joined(synapse, owner, 'much-asked', 0)
  await using home = homeOf(synapse, bot, owner)
  const running = home.start()
  await running.ready()
  await sleep(settleMs)
  print('resident when idle, no room', memoryOf(running.child.pid))
  const rooms: string[] = []
  for (let n = 0; n < talkedIn; n += 1) rooms.push(await owner.createRoom({ invite: [bot] }))
  for (const room of rooms) await owner.waitForMembership(room, bot, 'join')
  const begun = performance.now()
  let said = 0
  for (const stop of [messages / 10, messages / 2, messages]) {
    said = await talk(home, owner, rooms, said, stop)
    await home.quiet()
    await sleep(settleMs)
    print(`resident after ${said} answers in ${talkedIn} rooms`, memoryOf(running.child.pid))
  }
  const each = (performance.now() - begun) / said
  print('a message and its answer, homeserver and all', `${each.toFixed(0)} ms`)
  await check(running, home, owner, rooms[0] ?? '', bot)
}

/** So many people’s rooms at a time, until `stop` messages were said and answered in all. */
async function talk(
  home: Home,
  owner: MatrixPerson,
  rooms: readonly string[],
  before: number,
  stop: number,
): Promise<number> {
  const each = 10
  let said = before
  for (let from = 0; said < stop; from = (from + atOnce) % rooms.length) {
    const some = rooms.slice(from, from + atOnce)
    await Promise.all(
      some.map(async (room) => {
        for (let n = 0; n < each; n += 1)
          await owner.say(room, `say: answer ${n}, ${'and so on '.repeat(20)}`)
      }),
    )
    said += some.length * each
    const count = said
    await eventually(() => finished(home) >= count, `answer ${count}`, 300_000)
  }
  return said
}

/** Without reading each line: there are many, and they are counted often. */
function finished(home: Home): number {
  return readFileSync(home.journalPath, 'utf8').split('"finished"').length - 1
}

async function check(
  running: Running,
  home: Home,
  owner: MatrixPerson,
  room: string,
  bot: string,
): Promise<void> {
  const { outbox } = await home.status()
  const asked = await owner.messagesOf(room, owner.id)
  const answered = await owner.messagesOf(room, bot)
  print('not delivered', String(outbox.failed))
  print('said and answered in one of the rooms', `${asked.length}, ${answered.length}`)
  await running.stop()
}

/** An account that is in so many rooms with the owner, every other one encrypted. */
async function joined(synapse: Synapse, owner: MatrixPerson, name: string, count: number): Promise<string> {
  const { userId } = await synapse.register(name, password)
  const bot = new MatrixPerson(synapse.url, await synapse.login(userId, password))
  const encryption = { type: 'm.room.encryption', content: { algorithm: 'm.megolm.v1.aes-sha2' } }
  for (let n = 0; n < count; n += 1) {
    const more = n % 2 === 0 ? {} : { initial_state: [encryption] }
    const room = await owner.createRoom({ name: `Room ${n}`, topic: 'Many', invite: [userId], ...more })
    await bot.join(room)
    await owner.say(room, 'said before the bot has come')
  }
  await bot.call('POST', '/logout', {})
  return userId
}

function homeOf(synapse: Synapse, user: string, owner: MatrixPerson): Home {
  return new Home({
    transport: 'matrix',
    matrix: { homeserver: synapse.url, user_id: user, password, allowed_users: [owner.id] },
    provider: 'demo',
  })
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const begun = performance.now()
  await work()
  return performance.now() - begun
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(2)} s`
}

function print(what: string, figure: string): void {
  process.stdout.write(`${what.padEnd(48)} ${figure}\n`)
}
