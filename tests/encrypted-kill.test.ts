import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Home } from './support/ductor.ts'
import { EncryptedPerson } from './support/encrypted-person.ts'
import { eventually } from './support/eventually.ts'
import { runSeed as seed, seeded } from './support/seeded.ts'
import { startSynapse, whyNoSynapse } from './support/synapse.ts'

const skip = await whyNoSynapse()
/** More of them take longer: about a second each. */
const kills = Number(process.env['DUCTOR_KILLS'] ?? 30)

describe('kill -9 while encrypted messages flow', { skip: skip ?? false }, () => {
  test(`${kills} times: all are answered once, and none is undecryptable on either side (seed ${seed})`, async (t) => {
    t.diagnostic(`replay with DUCTOR_SEED=${seed}`)
    const random = seeded(seed)
    const synapse = await startSynapse()
    t.after(() => synapse.stop())
    await synapse.register('bot', 'secret-of-bot')
    const bot = `@bot:${synapse.serverName}`
    using person = await EncryptedPerson.arrive(synapse, 'person')
    person.excludeUnsigned()
    const matrix = {
      homeserver: synapse.url,
      user_id: bot,
      password: 'secret-of-bot',
      allowed_users: [person.id],
    }
    await using home = new Home({ transport: 'matrix', matrix, provider: 'demo' })
    let running = home.start()
    await running.ready()
    const room = await person.direct(bot)
    await person.waitForMember(room, bot)

    const over = new AbortController()
    const flow = (async () => {
      let sent = 0
      while (!over.signal.aborted) {
        await person.say(room, `say: did m${sent}.`)
        sent += 1
        await sleep(150 + random() * 400)
      }
      return sent
    })()
    for (let n = 0; n < kills; n += 1) {
      // In the middle of a start, or in the middle of a conversation.
      if (random() < 0.5) await running.ready()
      await sleep(random() * 900)
      await running.kill()
      running = home.start()
    }
    over.abort()
    const sent = await flow
    await running.ready()

    const settled = (n: number) => {
      const texts = person.heard(room, bot)
      return texts.some(
        (text) =>
          text === `did m${n}.` || (text.startsWith('I was restarted') && text.includes(`did m${n}.`)),
      )
    }
    const open = () => Array.from({ length: sent }, (_, n) => n).filter((n) => !settled(n))
    await eventually(() => open().length === 0, 'an answer or a question for each message', 60_000).catch(
      async (error: unknown) => {
        const status = JSON.stringify(await home.status())
        throw new Error(`lost of ${sent}: ${open().join(', ')}\n${status}\n${storyOf(home)}`, {
          cause: error,
        })
      },
    )
    await home.quiet()

    const begun = home.journal().flatMap(({ event, text }) => (event === 'begun' ? [text] : []))
    assert.equal(new Set(begun).size, begun.length, 'no prompt was run twice')
    const answers = person.heard(room, bot).filter((text) => /^did m\d+\.$/.test(text))
    assert.equal(new Set(answers).size, answers.length, 'no answer stands there twice')
    const unreadable = person.events(room).filter((event) => event.isDecryptionFailure())
    assert.deepEqual(
      unreadable.map((event) => event.getId()),
      [],
      'the person could read everything',
    )
    assert.doesNotMatch(logOf(home), /can never be decrypted/, 'the bot could read everything')
    assert.doesNotMatch(logOf(home), /One time key .* already exists/)
    t.diagnostic(`${sent} messages, ${answers.length} answered at once`)
  })
})

/** What the log has to say about keys, from the beginning. */
function storyOf(home: Home): string {
  return logOf(home)
    .split('\n')
    .filter((line) => /decrypt|signed|cross-signing|joined|starting|wait|verified/.test(line))
    .slice(0, 60)
    .join('\n')
}

function logOf(home: Home): string {
  return readFileSync(join(home.folder, 'logs/ductor.log'), 'utf8')
}
