import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { describe, test } from 'node:test'
import { eventually } from '../../../tests/support/eventually.ts'
import { Stage } from './stage.fake.ts'

describe('the poller', { concurrency: 4 }, () => {
  test('asks who it is, removes a webhook without dropping what waits, and sets the menu', async () => {
    await using stage = await Stage.open()
    const owner = stage.network.person(4711)
    stage.network.world.updates.webhook = 'https://example.com/hook'
    owner.writes('from before')
    await stage.connect()
    await stage.taken(1)
    assert.deepEqual(
      stage.network.history.slice(0, 2).map(({ method }) => method),
      ['getMe', 'deleteWebhook'],
    )
    assert.deepEqual(await stage.reported('connected'), { state: 'connected', account: '@ductor_bot' })
    const { commands } = stage.network.world
    await eventually(() => commands.has('all_group_chats ru'), 'the menu')
    for (const scope of ['all_private_chats', 'all_group_chats']) {
      const offered = (where: string) =>
        commands.get(where)?.map(({ command, description }) => `${command}: ${description}`)
      // What all networks have, and what only Telegram has.
      assert.deepEqual(offered(scope), [
        'new: Begin anew',
        'rich: tables, headings and lists as Telegram shows them itself',
      ])
      assert.equal(offered(`${scope} de`)?.[0], 'new: ein neues Gespräch beginnen')
    }
    assert.deepEqual(stage.network.lints, [])
  })

  test('confirms an update only after it was taken', async () => {
    await using stage = await Stage.open()
    const owner = stage.network.person(4711)
    await stage.connect()
    owner.writes('one')
    await stage.taken(1)
    await eventually(() => stage.network.world.updates.pending.length === 0, 'the confirmation')
    const [first] = stage.network
      .calls('getUpdates')
      .flatMap(({ outcome }) => (outcome?.ok === true ? (outcome.result as { update_id: number }[]) : []))
    const next = (first?.update_id ?? 0) + 1
    assert.equal(stage.store.recall('offset'), String(next))
    assert.equal(stage.network.calls('getUpdates').at(-1)?.parameters['offset'], next)
  })

  test('goes on when Telegram begins its numbers anew, and lower', async () => {
    await using stage = await Stage.open()
    const { updates } = stage.network.world
    const owner = stage.network.person(4711)
    await stage.connect()
    owner.writes('before')
    await stage.taken(1)
    await eventually(() => updates.pending.length === 0, 'the confirmation')
    updates.restartAt(7)
    owner.writes('after')
    owner.writes('and more')
    const taken = await stage.taken(3)
    assert.deepEqual(
      taken.map((inbound) => inbound.kind === 'message' && inbound.text),
      ['before', 'after', 'and more'],
    )
    await eventually(() => updates.pending.length === 0, 'the confirmation')
  })

  test('does not take another message for the same when a number comes twice', async () => {
    await using stage = await Stage.open()
    const { updates } = stage.network.world
    const owner = stage.network.person(4711)
    await stage.connect()
    for (const text of ['first', 'second']) {
      updates.restartAt(5000)
      owner.writes(text)
      await eventually(() => updates.pending.length === 0, 'the confirmation')
    }
    assert.equal((await stage.taken(2)).length, 2)
  })

  test('is connected without a word to hear, and says that it lives with each poll', async () => {
    await using stage = await Stage.open({ tempo: { pollSeconds: 1 } })
    await stage.connect()
    await eventually(() => stage.heard >= 2, 'two polls')
    assert.equal(stage.reports.filter(({ state }) => state === 'connected').length, 1)
  })

  test('says that another program polls the bot, and goes on when that ends', async () => {
    await using stage = await Stage.open()
    await stage.connect()
    await eventually(() => stage.network.world.updates.someoneWaits, 'the poll')
    const other = new AbortController()
    const polling = pollLikeAnother(stage.network.apiRoot, stage.network.token, other.signal)
    const failed = await stage.reported('failed')
    assert.match(
      failed.detail ?? '',
      /another program has been hearing for @ductor_bot \(bot 123456789\) since \d\d:\d\d/,
    )
    other.abort()
    await polling
    const seen = stage.reports.length
    await stage.reported('connected', seen - 1)
    stage.network.person(4711).writes('still there')
    await stage.taken(1)
  })

  test('is not connected in the moments in which the other program rests: two of us on one token say so all the time', async () => {
    const tempo = { pollSeconds: 1, conflictPauseMs: 1500, calmMs: 4000 }
    await using stage = await Stage.open({ tempo })
    await stage.connect()
    const other = stage.reopened()
    const conflicts = (): number => stage.logged.filter(({ message }) => message === 'a poll failed').length
    const listening = other.listen()
    await eventually(() => conflicts() >= 4, 'four conflicts')
    assert.deepEqual(
      stage.reports.map(({ state }) => state),
      ['connecting', 'connected', 'failed'],
    )
    await other.ends()
    await listening
    await stage.reported('connected', 3)
  })

  test('finds out in a quiet hour that updates wait which no poll brings, and fetches them another way', async () => {
    await using stage = await Stage.open({ tempo: { pollSeconds: 1, quietMs: 50 } })
    stage.network.breaks('getUpdates', { how: 'deaf' }, Infinity)
    await stage.connect()
    stage.network.person(4711).writes('can you hear me?')
    await stage.taken(1)
    assert.match(JSON.stringify(stage.logged), /updates waited that no poll brought/)
    stage.network.person(4711).writes('and now?')
    await stage.taken(2)
    assert.equal(stage.reports.at(-1)?.state, 'connected')
  })

  test('says so when updates wait and nothing helps', async () => {
    await using stage = await Stage.open({ tempo: { pollSeconds: 1, quietMs: 50 } })
    stage.network.breaks('getUpdates', { how: 'deaf', always: true }, Infinity)
    await stage.connect()
    stage.network.person(4711).writes('can you hear me?')
    const failed = await stage.reported('failed')
    assert.match(failed.detail ?? '', /a message waits at 127\.0\.0\.1.* for @ductor_bot/)
    stage.network.mends()
    await stage.taken(1)
    await stage.reported('connected', stage.reports.indexOf(failed))
  })

  test('is not connected again only because polls come back empty, and asks no faster for that', async () => {
    const tempo = { pollSeconds: 1, quietMs: 300, firstPauseMs: 50 }
    await using stage = await Stage.open({ tempo })
    stage.network.breaks('getUpdates', { how: 'deaf', always: true }, Infinity)
    await stage.connect()
    stage.network.person(4711).writes('can you hear me?')
    const failed = await stage.reported('failed')
    const looks = stage.network.calls('getWebhookInfo').length
    const polls = stage.heard
    // Whoever asks how it fares at any time between two looks must be told the truth.
    await eventually(() => stage.network.calls('getWebhookInfo').length >= looks + 4, 'more looks around')
    assert.equal(stage.reports.at(-1), failed)
    assert.ok(stage.heard - polls < 60, `${stage.heard - polls} polls`)
    // Somebody else does away with what waits.
    const { apiRoot, token } = stage.network
    await fetch(`${apiRoot}/bot${token}/deleteWebhook?drop_pending_updates=true`)
    await stage.reported('connected', stage.reports.indexOf(failed))
  })

  test('looks around in a quiet hour also when the clock was set back', async () => {
    let back = 0
    const now = (): number => Date.now() - back
    await using stage = await Stage.open({ now, tempo: { pollSeconds: 1, quietMs: 50 } })
    await stage.connect()
    back = 3_600_000
    stage.network.breaks('getUpdates', { how: 'deaf', always: true }, Infinity)
    stage.network.person(4711).writes('can you hear me?')
    await stage.reported('failed')
  })

  test('is not fooled by quiet itself', async () => {
    await using stage = await Stage.open({ tempo: { pollSeconds: 1, quietMs: 50 } })
    await stage.connect()
    await eventually(() => stage.network.calls('getWebhookInfo').length >= 2, 'two looks around')
    assert.equal(stage.reports.at(-1)?.state, 'connected')
  })

  test('asks without a number after a week of quiet, when Telegram may have begun anew', async () => {
    let now = Date.now()
    await using stage = await Stage.open({ now: () => now, tempo: { pollSeconds: 1 } })
    const { updates } = stage.network.world
    await stage.connect()
    stage.network.person(4711).writes('before')
    await stage.taken(1)
    await eventually(() => updates.pending.length === 0, 'the confirmation')
    // Just above the number that it would ask from: naming that one would confirm what it has never seen.
    const offset = Number(stage.store.recall('offset'))
    now += 7 * 24 * 3_600_000
    await eventually(
      () => stage.network.calls('getUpdates').at(-1)?.parameters['offset'] === undefined,
      'the week',
    )
    updates.restartAt(offset - 5)
    stage.network.person(4711).writes('after')
    await stage.taken(2)
  })

  test('removes a webhook that was set meanwhile', async () => {
    await using stage = await Stage.open({ tempo: { pollSeconds: 1 } })
    await stage.connect()
    stage.network.world.updates.webhook = 'https://example.com/hook'
    const failed = await stage.reported('failed')
    assert.match(failed.detail ?? '', /webhook for @ductor_bot/)
    await stage.reported('connected', stage.reports.indexOf(failed))
    assert.equal(stage.network.world.updates.webhook, undefined)
  })

  test('says where to get a token when Telegram refuses it, and connects when it is valid again', async () => {
    await using stage = await Stage.open()
    stage.network.revoke()
    void stage.listen()
    const failed = await stage.reported('failed')
    assert.match(failed.detail ?? '', /refuses the token.*@BotFather.*telegram_token/)
    stage.network.revoke(false)
    await stage.reported('connected', stage.reports.indexOf(failed))
  })

  test('hears what was written while its token was taken back, as soon as it has it again', async () => {
    await using stage = await Stage.open({ tempo: { pollSeconds: 1 } })
    void stage.listen()
    await stage.reported('connected')
    stage.network.revoke()
    const failed = await stage.reported('failed')
    stage.network.person(4711).writes('still there?')
    stage.network.revoke(false)
    await stage.reported('connected', stage.reports.indexOf(failed))
    await stage.taken(1)
  })

  test('says that the network is down at the start, and connects when it is up', async () => {
    await using stage = await Stage.open()
    await stage.network.down()
    const connecting = stage.connect()
    const failed = await stage.reported('failed')
    assert.match(failed.detail ?? '', /cannot reach 127\.0\.0\.1:\d+ \(ECONNREFUSED\)/)
    await stage.network.up()
    await connecting
    assert.equal(stage.reports.filter(({ state }) => state === 'failed').length, 1, 'it says so once')
  })

  test('says that the network went down later, and loses nothing of what came meanwhile', async () => {
    await using stage = await Stage.open()
    const owner = stage.network.person(4711)
    await stage.connect()
    owner.writes('before')
    await stage.taken(1)
    await stage.network.down()
    const failed = await stage.reported('failed')
    owner.writes('meanwhile')
    await stage.network.up()
    await stage.reported('connected', stage.reports.indexOf(failed))
    await stage.taken(2)
  })

  for (const fault of [
    { how: 'dropped' },
    { how: 'answer-lost' },
    { how: 'half-answer' },
    { how: 'garbled' },
    { how: 'server-error' },
    { how: 'bad-gateway' },
    { how: 'flood', seconds: 1 },
  ] as const) {
    test(`goes on after a poll met this: ${fault.how}`, async () => {
      await using stage = await Stage.open({ tempo: { pollSeconds: 1 } })
      const owner = stage.network.person(4711)
      await stage.connect()
      stage.network.breaks('getUpdates', fault, 2)
      owner.writes('one')
      owner.writes('two')
      const taken = await stage.taken(2)
      assert.deepEqual(
        taken.map((inbound) => inbound.kind === 'message' && inbound.text),
        ['one', 'two'],
      )
    })
  }

  test('says nothing of a single connection that breaks', async () => {
    await using stage = await Stage.open({ tempo: { pollSeconds: 1 } })
    await stage.connect()
    const polls = stage.heard
    stage.network.breaks('getUpdates', { how: 'dropped' })
    await eventually(() => stage.heard >= polls + 3, 'further polls')
    assert.deepEqual(
      stage.reports.map(({ state }) => state),
      ['connecting', 'connected'],
    )
  })

  test('ends when it is told to, in the middle of a poll, a pause or a call', async () => {
    for (const trouble of ['none', 'down', 'hangs'] as const) {
      const stage = await Stage.open({ tempo: { longestPauseMs: 60_000, firstPauseMs: 60_000 } })
      if (trouble === 'down') await stage.network.down()
      if (trouble === 'hangs') stage.network.breaks('getMe', { how: 'hangs' })
      const listening = stage.listen()
      if (trouble === 'none') await eventually(() => stage.network.world.updates.someoneWaits, 'the poll')
      if (trouble === 'down') await stage.reported('failed')
      if (trouble === 'hangs') await eventually(() => stage.network.calls('getMe').length > 0, 'the call')
      await stage[Symbol.asyncDispose]()
      await listening
      assert.equal(stage.reports.at(-1)?.state, 'stopped')
    }
  })

  test('never says the token, whatever goes wrong', async () => {
    await using stage = await Stage.open({ tempo: { pollSeconds: 1, callTimeoutMs: 500 } })
    const said: unknown[] = []
    const { network } = stage
    for (const how of ['dropped', 'half-answer', 'garbled', 'server-error', 'bad-gateway'] as const) {
      network.breaks('getMe', { how })
      network.breaks('deleteWebhook', { how })
      network.breaks('setMyCommands', { how })
      network.breaks('getUpdates', { how }, 2)
    }
    await network.down()
    stage.listen().catch((error: unknown) => said.push(error))
    await stage.reported('failed')
    await network.up()
    await stage.reported('connected')
    network.breaks('getUpdates', { how: 'hangs' })
    network.revoke()
    await eventually(() => /refuses the token/.test(stage.everythingSaid(said)), 'the refusal')
    const everything = stage.everythingSaid(said)
    assert.match(everything, /refuses the token/)
    const [number = '', secret = ''] = network.token.split(':')
    assert.ok(!everything.includes(secret) && !everything.includes(`bot${number}`))
  })

  test('leaves a group that is not in the list, and stays in one that is', async () => {
    await using stage = await Stage.open({ settings: { allowed_group_ids: [-1001] } })
    const owner = stage.network.person(4711)
    const stranger = stage.network.person(666)
    const [listed, unlisted, taken] = [-1001, -1002, -1003].map((id) => stage.network.group(id))
    assert.ok(listed && unlisted && taken)
    for (const group of [listed, unlisted, taken]) group.chat.bot = 'left'
    await stage.connect()
    owner.adds(unlisted)
    stranger.adds(taken)
    owner.adds(listed)
    await eventually(() => unlisted.chat.bot === 'left' && taken.chat.bot === 'left', 'the leaving')
    await eventually(() => stage.logged.some(({ message }) => message === 'added to a group'), 'the joining')
    assert.equal(listed.chat.bot, 'member')
    const reasons = stage.logged.filter(({ message }) => message === 'left a group')
    assert.equal(reasons.length, 2)
    assert.match(JSON.stringify(reasons[0]), /room -1002 is not in the list of allowed rooms/)
    owner.promotes(listed)
    owner.writes('hello')
    await stage.taken(1)
    assert.equal(listed.chat.bot, 'administrator', 'other rights are no invitation')
  })
})

/** Polls again and again, as a second program with the same token would. */
async function pollLikeAnother(root: string, token: string, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await fetch(`${root}/bot${token}/getUpdates?timeout=20`, { signal }).catch(() => {
      // It was told to end.
    })
  }
}

test('a process that is killed before it has taken an update leaves it for the next one', async () => {
  await using stage = await Stage.open()
  stage.network.person(4711).writes('survive')
  const url = `${stage.network.apiRoot}/bot${stage.network.token}/getUpdates?timeout=20`
  const child = spawn(process.execPath, ['-e', `fetch('${url}').then(() => setInterval(() => {}, 1000))`])
  await eventually(() => stage.network.calls('getUpdates')[0]?.outcome?.ok, 'the poll of the process')
  child.kill('SIGKILL')
  await once(child, 'exit')
  await stage.connect()
  const [message] = await stage.taken(1)
  assert.equal(message?.kind === 'message' && message.text, 'survive')
})
