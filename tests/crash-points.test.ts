import assert from 'node:assert/strict'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { FakeTelegram } from '../src/transports/telegram/telegram.fake.ts'
import { Home } from './support/ductor.ts'
import { eventually } from './support/eventually.ts'
import { MatrixPerson } from './support/matrix-person.ts'
import { startSynapse, whyNoSynapse } from './support/synapse.ts'

const preload = new URL('./support/crash-at.ts', import.meta.url).href
/** All steps with DUCTOR_CRASH_POINTS=all; else as many as a suite has time for. */
const wanted = process.env['DUCTOR_CRASH_POINTS'] === 'all' ? Number.POSITIVE_INFINITY : 12

interface Chat {
  say(text: string): Promise<void>
  shown(): Promise<readonly string[]>
  /** How many messages of the bot may show the same answer. */
  readonly mostCopies: number
}

/** The program on one chat, ended at one of its steps and started again. */
class Ordeal {
  readonly #home: Home
  readonly #chat: Chat
  #count = 0

  constructor(home: Home, chat: Chat) {
    this.#home = home
    this.#chat = chat
  }

  get #trigger(): string {
    return join(this.#home.folder, 'trigger')
  }

  get #journal(): string {
    return join(this.#home.folder, 'steps')
  }

  #start(at = '') {
    rmSync(this.#journal, { force: true })
    rmSync(this.#trigger, { force: true })
    return this.#home.startWith({
      NODE_OPTIONS: `--import=${preload}`,
      DUCTOR_CRASH_AT: at,
      DUCTOR_CRASH_JOURNAL: this.#journal,
      DUCTOR_CRASH_TRIGGER: this.#trigger,
    })
  }

  /** A message, and what became of it. */
  async #say(): Promise<{ readonly prompt: string; readonly answer: string }> {
    this.#count += 1
    const answer = `did m${this.#count}.`
    writeFileSync(this.#trigger, '')
    await this.#chat.say(`say: ${answer}`)
    return { prompt: `say: ${answer}`, answer }
  }

  /** The steps of one undisturbed turn. */
  async steps(): Promise<readonly string[]> {
    const running = this.#start()
    await running.ready()
    const { answer } = await this.#say()
    await eventually(async () => (await this.#chat.shown()).includes(answer))
    await this.#home.quiet()
    await running.stop()
    return readFileSync(this.#journal, 'utf8').trim().split('\n')
  }

  /** Is ended at this step, started again, and has lost nothing and done nothing twice. */
  async survive(at: string): Promise<void> {
    const running = this.#start(at)
    await running.ready()
    const { prompt, answer } = await this.#say()
    const ended = running.ended.then(() => true)
    // A step that does not come this time (a poll that was on its way already) is no failure of what is tested.
    const answered = eventually(async () => (await this.#chat.shown()).includes(answer)).then(() => false)
    if (!(await Promise.race([ended, answered]))) await this.#home.quiet()
    await running.kill()
    const again = this.#start()
    await again.ready()
    const asked = (texts: readonly string[]) =>
      texts.some((text) => text.startsWith('I was restarted') && text.includes(prompt))
    await eventually(async () => {
      const texts = await this.#chat.shown()
      return texts.includes(answer) || asked(texts)
    }, `an answer to ${prompt}, or a question, after an end at “${at}”`)
    await this.#home.quiet()
    await again.stop()
    const texts = await this.#chat.shown()
    const begun = this.#home
      .journal()
      .filter(({ event, text }) => event === 'begun' && text === prompt).length
    const copies = texts.filter((text) => text === answer).length
    assert.ok(begun <= 1, `run ${begun} times after an end at “${at}”`)
    if (!asked(texts)) assert.equal(begun, 1, `never run after an end at “${at}”`)
    assert.ok(copies <= this.#chat.mostCopies, `answered ${copies} times after an end at “${at}”`)
    assert.equal(
      texts.filter((text) => text.startsWith('I was restarted') && text.includes(prompt)).length <= 1,
      true,
    )
  }
}

/** Around each sending, and as many of the others as there is time for, spread over the whole turn. */
function chosenOf(steps: readonly string[]): readonly string[] {
  const isSending = (step: string) => /(?:sendMessage|editMessageText|send) #/.test(step)
  const others = steps.filter((step) => !isSending(step))
  const every = Math.max(1, others.length / Math.max(1, wanted - (steps.length - others.length)))
  return steps.filter((step) => {
    const index = others.indexOf(step)
    return index === -1 || Math.floor(index / every) !== Math.floor((index - 1) / every)
  })
}

async function surviveAll(ordeal: Ordeal, t: TestContext): Promise<void> {
  const steps = await ordeal.steps()
  assert.ok(steps.length >= 12, `only ${steps.length} steps: ${steps.join(', ')}`)
  const chosen = chosenOf(steps)
  assert.ok(chosen.length >= 12)
  t.diagnostic(`${chosen.length} of ${steps.length} steps: ${chosen.join(', ')}`)
  for (const at of chosen) await ordeal.survive(at)
}

test('killed at any durable step on Telegram, it runs each message once and answers it or asks', async (t) => {
  const owner = 4711
  const telegram = await FakeTelegram.start({ limits: { flood: false } })
  t.after(() => telegram.stop())
  await using home = new Home({
    telegram_token: telegram.token,
    telegram_api_root: telegram.apiRoot,
    allowed_user_ids: [owner],
    provider: 'demo',
  })
  const person = telegram.person(owner)
  await surviveAll(
    new Ordeal(home, {
      say: async (text) => void person.writes(text),
      shown: async () => telegram.posts(owner).map(({ text }) => text ?? ''),
      // Where nobody could say whether it had arrived, it may be there twice.
      mostCopies: 2,
    }),
    t,
  )
})

const skip = await whyNoSynapse()

test(
  'killed at any durable step on Matrix, it runs each message once and answers it once or asks',
  { skip: skip ?? false },
  async (t) => {
    const synapse = await startSynapse()
    t.after(() => synapse.stop())
    await synapse.register('bot', 'secret-of-bot')
    const bot = `@bot:${synapse.serverName}`
    const friend = await MatrixPerson.arrive(synapse, 'owner')
    await using home = new Home({
      transport: 'matrix',
      matrix: {
        homeserver: synapse.url,
        user_id: bot,
        password: 'secret-of-bot',
        allowed_users: [friend.id],
      },
      provider: 'demo',
    })
    const first = home.start()
    await first.ready()
    const room = await friend.direct(bot)
    await eventually(async () => (await friend.membership(room, bot)) === 'join')
    await first.stop()
    await surviveAll(
      new Ordeal(home, {
        say: async (text) => void (await friend.say(room, text)),
        shown: async () =>
          (await friend.timeline(room)).flatMap(({ sender, type, content }) =>
            sender === bot && type === 'm.room.message' ? [String(content['body'])] : [],
          ),
        mostCopies: 1,
      }),
      t,
    )
  },
)
