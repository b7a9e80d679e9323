// What a person waits for, measured on this machine: figures of one run beside each other, never a pass or a fail.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { Prompt } from '../src/providers/demo/protocol.ts'
import { FakeTelegram } from '../src/transports/telegram/telegram.fake.ts'
import { Home } from '../tests/support/ductor.ts'
import { eventually } from '../tests/support/eventually.ts'
import { MatrixPerson } from '../tests/support/matrix-person.ts'
import { startSynapse, whyNoSynapse } from '../tests/support/synapse.ts'
import { loadOf, memoryOf } from './memory.ts'

const rounds = 200
const startRounds = 11
/** After which a start or a turn has left no more work behind. */
const settleMs = 3000
/** So many people write in turn: more than a message a second in one chat would measure Telegram's limits. */
const people = Array.from({ length: 12 }, (_, n) => 4711 + n)
const demoAgent = fileURLToPath(new URL('../src/providers/demo/demo-agent.ts', import.meta.url))

const telegram = await FakeTelegram.start({ limits: { flood: false } })
const noSynapse = await whyNoSynapse()
const synapse = noSynapse === undefined ? await startSynapse() : undefined
if (synapse === undefined) print('Matrix', noSynapse ?? '')

const onTelegram = {
  transports: ['telegram'],
  telegram_token: telegram.token,
  telegram_api_root: telegram.apiRoot,
  allowed_user_ids: people,
  provider: 'demo',
}
await using home = new Home(
  synapse === undefined
    ? onTelegram
    : { ...onTelegram, transports: ['telegram', 'matrix'], matrix: await matrixOf(synapse) },
)

try {
  // First: after a change of the sources, the very first start compiles them.
  await starts()
  await memoryOnTelegramAlone()
  const running = home.start()
  await running.ready()
  await sleep(settleMs)
  print('resident when idle, with Matrix', memoryOf(running.child.pid))
  print('at work when idle, with Matrix', await loadOf(running.child.pid))
  await turns()
  await sleep(settleMs)
  print(`resident after ${rounds} turns`, memoryOf(running.child.pid))
  await bare()
  await running.stop()
} finally {
  await telegram.stop()
  await synapse?.stop()
}

async function matrixOf(server: NonNullable<typeof synapse>): Promise<object> {
  await server.register('bot', 'secret-of-bot')
  const friend = await MatrixPerson.arrive(server, 'owner')
  return {
    homeserver: server.url,
    user_id: `@bot:${server.serverName}`,
    password: 'secret-of-bot',
    allowed_users: [friend.id],
  }
}

async function memoryOnTelegramAlone(): Promise<void> {
  await using alone = new Home(onTelegram)
  const running = alone.start()
  await running.ready()
  await sleep(settleMs)
  print('resident when idle, Telegram alone', memoryOf(running.child.pid))
  await running.stop()
}

/** From the start of the process to its line `ready`, beside Node alone; the first start also logs in and is left out. */
async function starts(): Promise<void> {
  const times: number[] = []
  const node: number[] = []
  for (let n = 0; n < startRounds; n += 1) {
    const begun = performance.now()
    await once(spawn(process.execPath, ['-e', '0'], { stdio: 'ignore' }), 'exit')
    const between = performance.now()
    const running = home.start()
    await running.ready()
    node.push(between - begun)
    times.push(performance.now() - between)
    await running.stop()
  }
  print('start to ready', spread(times.slice(1)))
  print('the start of Node alone', spread(node.slice(1)))
}

/** ductor's own share of a turn on Telegram: arrival → the provider has the prompt; its first text → the call. */
async function turns(): Promise<void> {
  const arrived: number[] = []
  for (let n = 0; n < rounds; n += 1) {
    const answer = answerOf(n)
    const id = people[n % people.length] ?? 0
    arrived.push(performance.timeOrigin + performance.now())
    telegram.person(id).writes(`say: ${answer}`)
    await eventually(() => telegram.posts(id).some(({ text }) => text === answer))
    await home.quietTurn(n + 1)
  }
  const lines = home.journal()
  const at = (event: string, n: number) => lines.filter((line) => line.event === event)[n]?.at ?? Number.NaN
  const calls = [...telegram.calls('sendMessageDraft'), ...telegram.calls('sendMessage')]
  const call = (n: number) =>
    Math.min(...calls.filter(({ parameters }) => parameters['text'] === answerOf(n)).map((one) => one.at))
  // Each person's first turn starts an agent.
  const warm = Array.from({ length: rounds - people.length }, (_, n) => n + people.length)
  print(
    'arrival to the provider’s stdin',
    spread(warm.map((n) => at('begun', n) - (arrived[n] ?? Number.NaN))),
  )
  print('first text to the transport’s call', spread(warm.map((n) => call(n) - at('spoke', n))))
}

/** One word, so that the first call shows all of it. */
function answerOf(n: number): string {
  return `answer-${n}-of-many`
}

/** The same agent without ductor, kept running: what a turn takes at the least. */
async function bare(): Promise<void> {
  const child = spawn(process.execPath, [demoAgent, home.folder], { stdio: ['pipe', 'pipe', 'inherit'] })
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const times: number[] = []
  for (let n = 0; n < rounds; n += 1) {
    const begun = performance.now()
    const prompt: Prompt = {
      type: 'prompt',
      turn: String(n),
      text: `say: ${answerOf(n)}`,
      attachments: [],
      permissionMode: 'ask',
      granted: [],
    }
    child.stdin.write(`${JSON.stringify(prompt)}\n`)
    for (;;) {
      const { value, done } = await lines.next()
      if (done === true) throw new Error('the demo agent has ended')
      if (times.length === n && value.includes('"type":"text"')) times.push(performance.now() - begun)
      if (value.includes('"turn.ended"')) break
    }
  }
  child.stdin.end()
  print('the bare agent, prompt to first text', spread(times.slice(1)))
}

function spread(times: readonly number[]): string {
  const sorted = times.filter((time) => !Number.isNaN(time)).toSorted((a, b) => a - b)
  const at = (share: number) =>
    (sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN).toFixed(1)
  return `p50 ${at(0.5)} ms, p99 ${at(0.99)} ms (n = ${sorted.length})`
}

function print(what: string, figure: string): void {
  process.stdout.write(`${what.padEnd(40)} ${figure}\n`)
}
