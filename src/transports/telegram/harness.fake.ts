import type { TransportHarness } from '../../../tests/contracts/transport.ts'
import type { Transport } from '../../core/transport.ts'
import { config } from './config.ts'
import { Meddler, type Meddling } from './meddler.fake.ts'
import { usualTempo } from './tempo.ts'
import { Telegram } from './telegram.ts'
import { FakeTelegram } from './telegram.fake.ts'

/** The fake network, as the contract wants it; `meddling` makes another bot of the one that is tried. */
export async function harness(meddling?: Meddling): Promise<TransportHarness> {
  // How many messages a minute are allowed is tried elsewhere: here it would only make the tests wait.
  const network = await FakeTelegram.start({ limits: { flood: false } })
  const meddler = meddling === undefined ? undefined : await Meddler.start(network.apiRoot, meddling)
  const owner = network.person(4711).starts()
  return {
    open: async (deps) => {
      const options = config.parse({
        telegram_token: network.token,
        telegram_api_root: meddler?.root ?? network.apiRoot,
        allowed_user_ids: [owner.id],
      })
      // The suite posts faster than any chat takes it: to the budget, two seconds lie between its looks at the clock.
      let clock = Date.now()
      const now = (): number => (clock += 2000)
      return bringingUp(network, new Telegram(options, deps, usualTempo, now))
    },
    place: { key: `tg:${owner.id}`, transport: 'telegram', chat: String(owner.id) },
    say: async (text) => String(owner.writes(text)),
    shown: async () =>
      network.posts(owner.id).map(({ message_id: id, text = '' }) => ({ ref: String(id), text })),
    failNext: async (how) => {
      if (how === 'refused-connection') await network.down()
      else if (how === 'rate-limited') network.breaks('sendMessage', { how: 'flood', seconds: 1 })
      else network.breaks('sendMessage', { how: 'answer-lost' })
    },
    stop: async () => {
      await meddler?.stop()
      await network.stop()
    },
  }
}

/** A network that is down cannot know which call it refuses: it is brought up again when a call has failed. */
function bringingUp(network: FakeTelegram, transport: Telegram): Transport {
  const { policy, commandPrefixes, choices, dropsDoubles, render } = transport
  return {
    policy,
    commandPrefixes,
    choices,
    dropsDoubles,
    render,
    listen: (intake, signal) => transport.listen(intake, signal),
    find: (post, others, signal) => transport.find(post, others, signal),
    deliver: async (operation, signal) => {
      try {
        return await transport.deliver(operation, signal)
      } finally {
        if (!network.isUp) await network.up()
      }
    },
  }
}
