import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { FakeTelegram } from '../src/transports/telegram/telegram.fake.ts'
import { Home } from './support/ductor.ts'
import { eventually } from './support/eventually.ts'
import { MatrixPerson } from './support/matrix-person.ts'
import { startSynapse, whyNoSynapse, type Synapse } from './support/synapse.ts'

/** What the setup guide of Matrix promises of both transports at once: its Option B, with one agent behind them. */

const skip = await whyNoSynapse()

describe('Matrix beside Telegram', { skip: skip ?? false }, () => {
  let synapse: Synapse
  let owner: MatrixPerson
  let count = 0

  before(async () => {
    synapse = await startSynapse()
    owner = await MatrixPerson.arrive(synapse, 'you')
  })
  after(() => synapse?.stop())

  /** It runs, and has met its owner on both. */
  async function begin() {
    count += 1
    const password = 'the password of the account'
    const { userId: bot } = await synapse.register(`my_ductor_bot${count}`, password)
    const telegram = await FakeTelegram.start()
    const account = { homeserver: synapse.url, user_id: bot, password }
    const home = new Home({
      transports: ['telegram', 'matrix'],
      telegram_token: telegram.token,
      telegram_api_root: telegram.apiRoot,
      allowed_user_ids: [1],
      matrix: { ...account, allowed_rooms: [], allowed_users: [owner.id], store_path: 'matrix_store' },
      provider: 'demo',
    })
    const ready = await home.start().ready()
    const room = await owner.direct(bot)
    await owner.waitForMembership(room, bot, 'join')
    return {
      bot,
      home,
      ready,
      on: {
        telegram: {
          say: async (text: string) => void telegram.person(1).writes(text),
          shown: async () => telegram.posts(1).map(({ text }) => text ?? ''),
        },
        matrix: {
          say: async (text: string) => void (await owner.say(room, text)),
          shown: async () =>
            (await owner.messagesOf(room, bot)).map(({ content }) => String(content['body'])),
        },
      },
      async [Symbol.asyncDispose]() {
        await home[Symbol.asyncDispose]()
        await telegram.stop()
      },
    }
  }

  type Chat = Awaited<ReturnType<typeof begin>>['on']['matrix']

  async function shows({ shown }: Chat, what: string | RegExp): Promise<void> {
    const is = (text: string) => (typeof what === 'string' ? text === what : what.test(text))
    await eventually(async () => (await shown()).some(is), `${what}`)
  }

  test('Option B: both transports run at once, with one agent, one workspace and its sessions', async () => {
    await using stage = await begin()
    const { bot, home, ready, on } = stage
    assert.match(ready, new RegExp(`^ready telegram @ductor_bot, matrix ${bot} `))
    assert.deepEqual((await home.status()).agents, [{ name: 'main', provider: 'demo' }])
    // A turn through one does not keep the other waiting.
    await on.telegram.say('wait 600000 | say never')
    await eventually(() => home.journal().length > 0, 'the turn of Telegram')
    await on.matrix.say('cwd?')
    await shows(on.matrix, join(home.folder, 'workspace'))
    await on.telegram.say('/stop')
    await shows(on.telegram, /stopped/i)
    await on.telegram.say('cwd?')
    await shows(on.telegram, join(home.folder, 'workspace'))
  })

  test('what the agent keeps in mind is the same through both transports', async () => {
    await using stage = await begin()
    const memory = join(stage.home.folder, 'workspace', 'memory_system', 'MAINMEMORY.md')
    writeFileSync(memory, 'The cat is called Mia.')
    for (const chat of [stage.on.matrix, stage.on.telegram]) {
      await chat.say('instructions?')
      await shows(chat, /Your memory[^]*The cat is called Mia\./)
      await chat.say('/memory')
      await shows(chat, /^MAINMEMORY\.md[^]*The cat is called Mia\./)
    }
  })

  test('text, tool, text: two messages on Matrix, one edited message on Telegram', async () => {
    await using stage = await begin()
    const { home, on } = stage
    const prompt = 'say Looking | tool ls | wait 200 | say Found it'
    await on.matrix.say(prompt)
    await on.telegram.say(prompt)
    await shows(on.matrix, 'Found it')
    await shows(on.telegram, /Looking[\s\S]*Found it/)
    await home.quiet()
    assert.deepEqual(await on.matrix.shown(), ['Looking', 'Found it'])
    assert.equal((await on.telegram.shown()).length, 1)
  })
})
