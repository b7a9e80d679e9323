import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { EncryptedPerson } from '../../../../tests/support/encrypted-person.ts'
import { startSynapse, whyNoSynapse, type Synapse } from '../../../../tests/support/synapse.ts'
import { freshName, TestBot } from '../bot.fake.ts'

const missing = await whyNoSynapse()

async function personOf(synapse: Synapse): Promise<EncryptedPerson> {
  return EncryptedPerson.arrive(synapse, freshName('person'))
}

function answer(text: string): Readonly<Record<string, unknown>> {
  return { msgtype: 'm.text', body: text }
}

describe('encrypted rooms', missing === undefined ? {} : { skip: missing }, async () => {
  if (missing !== undefined) return
  const synapse = await startSynapse()
  after(() => synapse.stop())

  test('an encrypted chat that a person begins: the first message is read, and answered encrypted', async (t) => {
    using person = await personOf(synapse)
    const bot = await TestBot.arrive(t, synapse, freshName('bot'), { allowed_users: [person.id] })
    await bot.start()
    const room = await person.direct(bot.id)
    await person.say(room, 'hello')
    const [message] = await bot.messages(1)
    assert.equal(message?.text, 'hello')
    await bot.post(room, 'k', answer('hello yourself'))
    await person.hears(room, bot.id, 'hello yourself')
  })
})
