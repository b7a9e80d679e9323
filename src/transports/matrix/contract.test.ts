import { createHash, randomUUID } from 'node:crypto'
import { after, test } from 'node:test'
import { transportContract, type TransportHarness } from '../../../tests/contracts/transport.ts'
import { MatrixPerson, type MatrixEvent } from '../../../tests/support/matrix-person.ts'
import { startSynapse, whyNoSynapse, type Synapse } from '../../../tests/support/synapse.ts'
import definition from './index.ts'
import { MishapProxy } from './proxy.fake.ts'

const missing = await whyNoSynapse()
let shared: Promise<Synapse> | undefined
after(async () => (await shared)?.stop())

if (missing === undefined) transportContract('matrix', start)
else test('the transport matrix', { skip: missing }, () => {})

/** Each test has a bot and an owner of its own, in a room that both are in already. */
async function start(): Promise<TransportHarness> {
  shared ??= startSynapse()
  const synapse = await shared
  const name = randomUUID().slice(0, 8)
  const owner = await MatrixPerson.arrive(synapse, `owner-${name}`)
  const bot = await MatrixPerson.arrive(synapse, `bot-${name}`)
  const room = await owner.direct(bot.id)
  await bot.join(room)
  const proxy = await MishapProxy.before(synapse.url)
  const config = definition.config.parse({
    matrix: {
      homeserver: proxy.url,
      user_id: bot.id,
      password: `password of bot-${name}`,
      allowed_users: [owner.id],
    },
  })
  const digest = createHash('sha256').update(room).digest()
  return {
    open: async (deps) => definition.open(config, deps),
    place: { key: `mx:${digest.readBigUInt64BE()}`, transport: 'matrix', chat: room },
    say: (text) => owner.say(room, text),
    shown: async () => shownBy(bot.id, await owner.timeline(room)),
    async failNext(how) {
      proxy.failNext(how)
    },
    stop: () => proxy.stop(),
  }
}

/** The messages as a client shows them: the newest edit in the place of the original, nothing that was redacted. */
function shownBy(bot: string, timeline: readonly MatrixEvent[]): { ref: string; text: string }[] {
  const shown = new Map<string, string>()
  for (const { type, sender, event_id: id, content } of timeline) {
    if (type !== 'm.room.message' || sender !== bot || typeof content['body'] !== 'string') continue
    const relation = content['m.relates_to'] as { rel_type?: string; event_id?: string } | undefined
    const newer = content['m.new_content'] as { body: string } | undefined
    if (relation?.rel_type !== 'm.replace') shown.set(id, content['body'])
    else if (shown.has(relation.event_id ?? '')) shown.set(relation.event_id ?? '', newer?.body ?? '')
  }
  return [...shown].map(([ref, text]) => ({ ref, text }))
}
