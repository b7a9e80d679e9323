import assert from 'node:assert/strict'
import { eventually } from '../../../tests/support/eventually.ts'
import type { Inbound, MessageRef, Place } from '../../core/message.ts'
import { DeliveryError } from '../../core/transport.ts'
import { noticeView, type View } from '../../core/view.ts'
import { Meddler, type Meddling } from './meddler.fake.ts'
import { Stage } from './stage.fake.ts'
import { FakeTelegram } from './telegram.fake.ts'
import type { Limits } from './telegram-limits.fake.ts'

const owner = 4711
const room = -1001
const privately: Place = { key: `tg:${owner}`, transport: 'telegram', chat: String(owner) }
const quiet: Partial<Limits> = { flood: false, conflictDelayMs: 20, samePollMs: 20 }

interface Scene {
  readonly stage: Stage
  readonly network: FakeTelegram
  /** Posts all that shows this view, and gives the refs. */
  readonly post: (view: View, place?: Place) => Promise<readonly MessageRef[]>
}

interface Promised {
  readonly limits?: Partial<Limits>
  readonly run: (scene: Scene) => Promise<void>
}

/** What a bot on Telegram promises beyond the contract of transports, and how it is tried. */
export const promises: Readonly<Record<string, Promised>> = {
  'hears what was written while it was away': {
    run: async ({ stage, network }) => {
      const person = network.person(owner)
      person.writes('one')
      person.writes('two')
      await stage.connect()
      person.writes('three')
      await heard(stage, 'three')
      assert.deepEqual(textsOf(stage.store.taken), ['one', 'two', 'three'], 'all of the backlog is heard')
    },
  },

  'hears again what nobody has stored': {
    run: async ({ stage, network }) => {
      const stop = new AbortController()
      const first = stage.transport.listen(stage.store.fullIntake(stop.signal), stop.signal)
      network.person(owner).writes('do not lose me')
      await eventually(() => stage.store.offered.length > 0, 'the message that nobody takes')
      stop.abort()
      await first
      const again = stage.reopened()
      try {
        await again.connect()
        network.person(owner).writes('and then')
        await heard(again, 'and then')
      } finally {
        await again.ends()
      }
      assert.deepEqual(
        textsOf(stage.store.taken),
        ['do not lose me', 'and then'],
        'what was not stored comes',
      )
    },
  },

  'hears what has a lower number after a quiet week': {
    run: async ({ stage, network }) => {
      const { updates } = network.world
      await stage.connect()
      network.person(owner).writes('before')
      await heard(stage, 'before')
      await eventually(() => updates.pending.length === 0, 'the confirmation')
      updates.restartAt(7)
      network.person(owner).writes('after')
      await eventually(() => updates.pending.length === 0, 'the confirmation')
      assert.deepEqual(textsOf(stage.store.taken), ['before', 'after'], 'a lower number is no duplicate')
    },
  },

  'waits where there is nothing to hear': {
    limits: { ...quiet, samePollMs: 0 },
    run: async ({ stage, network }) => {
      await stage.connect()
      const { updates } = network.world
      await eventually(() => updates.someoneWaits || network.calls('getUpdates').length > 9, 'a poll')
    },
  },

  'takes an edit for an edit': {
    run: async ({ stage, network }) => {
      await stage.connect()
      const person = network.person(owner)
      person.edits(person.writes('delete it'), 'delete nothing')
      person.writes('the end')
      await heard(stage, 'the end')
      const kinds = stage.store.taken.map(({ kind }) => kind)
      assert.deepEqual(kinds, ['message', 'edit', 'message'], 'an edited message is no new one')
    },
  },

  'answers in General of a forum': {
    run: async ({ stage, network, post }) => {
      await stage.connect()
      network.person(owner).writes('hello', { in: network.group(room, { forum: true }) })
      await post(noticeView('good morning'), (await heard(stage, 'hello')).place)
      assert.equal(network.posts(room).at(-1)?.message_thread_id, undefined, 'General has no thread')
    },
  },

  'answers a reply in a group without topics': {
    run: async ({ stage, network, post }) => {
      await stage.connect()
      const group = network.group(room)
      const first = network.person(owner).writes('one', { in: group })
      network.person(owner).writes('two', { in: group, replyTo: first })
      await post(noticeView('good morning'), (await heard(stage, 'two')).place)
    },
  },

  'keeps the buttons of a message whose words change': {
    run: async ({ stage, network, post }) => {
      await stage.connect()
      const choices = [{ token: 't', label: 'Stop' }]
      const [ref = ''] = await post(noticeView('1 %', choices))
      const [content = {}] = stage.transport.render(noticeView('2 %', choices))
      await stage.transport.deliver({ type: 'edit', place: privately, content, key: 'e', ref }, stage.signal)
      const [shown] = network.posts(owner)
      assert.match(shown?.text ?? '', /2 %/)
      assert.equal(shown?.reply_markup?.inline_keyboard.flat().length, 1, 'the button is still there')
    },
  },

  'hears a press of its button and answers it': {
    run: async ({ stage, network, post }) => {
      await stage.connect()
      const person = network.person(owner)
      const [ref] = await post(noticeView('May I?', [{ token: 'a-token', label: 'Yes' }]))
      person.presses(Number(ref), 'Yes')
      person.writes('done')
      await heard(stage, 'done')
      const [press] = stage.store.taken
      assert.equal(press?.kind, 'press', 'a press is heard')
      if (press?.kind === 'press') await stage.transport.answerPress(press, 'as you wish')
      network.world.advance(20_000)
    },
  },

  'shows a long text of emoji whole': {
    run: async ({ network, post }) => {
      const text = ['😀', '🎉', '🐳'].map((emoji) => emoji.repeat(3000)).join('')
      await post(said(text))
      const shown = network.posts(owner).map((message) => message.text ?? '')
      assert.equal(shown.join('').replaceAll(/\s/g, ''), text, 'no character is lost')
    },
  },

  'shows all looks of a text that has many': {
    run: async ({ network, post }) => {
      await post(said(Array.from({ length: 250 }, (_, index) => `**bold${index}** word`).join(' ')))
      const looks = network.posts(owner).flatMap(({ entities = [] }) => entities)
      assert.equal(looks.length, 250, 'each word is as bold as it was meant')
    },
  },

  'shows a link that Telegram does not take': {
    run: async ({ network, post }) => {
      await post(said('It runs at [the server](http://localhost:3000).'))
      assert.match(network.posts(owner)[0]?.text ?? '', /localhost:3000/)
    },
  },

  'leaves a chat alone for as long as it was told': {
    limits: { ...quiet, flood: true, privateBurst: 2 },
    run: async ({ stage, network, post }) => {
      network.world.freeze()
      for (const text of ['one', 'two']) await post(noticeView(text))
      for (const text of ['three', 'four']) {
        await assert.rejects(post(noticeView(text)), (error) => {
          return error instanceof DeliveryError && error.failure === 'rate-limited'
        })
      }
      assert.deepEqual(refusals(network).length, 1, 'Telegram says it once')
      assert.deepEqual(stage.network.lints, [], 'nothing is tried in a time of rest')
    },
  },

  'does not send again what may have arrived': {
    run: async ({ network, post }) => {
      network.breaks('sendMessage', { how: 'answer-lost' })
      await assert.rejects(post(noticeView('once')), (error) => {
        return error instanceof DeliveryError && error.failure === 'unknown'
      })
      assert.equal(network.posts(owner).length, 1, 'it is shown once')
    },
  },
}

/** Tries one promise; rejects where the bot, as `meddling` makes it, breaks it. */
export async function keepsPromise(name: string, meddling: Meddling): Promise<void> {
  const promised = promises[name]
  if (promised === undefined) throw new Error(`nobody promises “${name}”`)
  const network = await FakeTelegram.start({ limits: promised.limits ?? quiet })
  const meddler = await Meddler.start(network.apiRoot, meddling)
  const settings = { telegram_api_root: meddler.root, allowed_group_ids: [room], group_mention_only: false }
  try {
    await using stage = new Stage(network, { settings })
    network.person(owner).starts()
    await promised.run({ stage, network, post: (view, place) => postOn(stage, view, place) })
    if (promised.limits?.flood !== true) assert.deepEqual(refusals(network), [], 'Telegram refuses nothing')
    assert.deepEqual(network.lints, [], 'Telegram has nothing to forgive')
  } finally {
    await meddler.stop()
  }
}

function refusals(network: FakeTelegram): readonly string[] {
  return network.history.flatMap(({ method, outcome }) =>
    outcome?.ok === false ? [`${method}: ${outcome.description}`] : [],
  )
}

async function postOn(stage: Stage, view: View, place = privately): Promise<readonly MessageRef[]> {
  const refs: MessageRef[] = []
  for (const content of stage.transport.render(view)) {
    const key = `post-${stage.network.history.length}`
    refs.push(
      await stage.transport.deliver({ type: 'post', place, content, key, notify: true }, stage.signal),
    )
  }
  return refs
}

/** Waits for the message that says this. */
function heard(stage: Stage, text: string): Promise<Inbound> {
  return eventually(
    () => stage.store.taken.find((one) => one.kind === 'message' && one.text === text),
    `“${text}”`,
  )
}

function textsOf(inbounds: readonly Inbound[]): readonly string[] {
  return inbounds.flatMap((one) => ('text' in one ? [one.text] : []))
}

function said(text: string): View {
  return { state: 'ended', parts: [{ kind: 'text', text }], choices: [], stop: 'end_turn' }
}
