import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test, type TestContext } from 'node:test'
import type { TransportDeps } from '../../src/core/define.ts'
import type { Inbound, Message, Place } from '../../src/core/message.ts'
import {
  DeliveryError,
  type DeliveryFailure,
  type Intake,
  type Operation,
  type Transport,
  type TransportReport,
} from '../../src/core/transport.ts'
import type { View } from '../../src/core/view.ts'
import { eventually } from '../support/eventually.ts'
import { InMemoryStore } from './in-memory.ts'

/** What a transport's own test gives to the suite: its network, real or a fake that keeps the network's laws. */
export interface TransportHarness {
  /** Opens the transport on this network, with what it remembered before in `deps.memory`. */
  open(deps: TransportDeps): Promise<Transport>
  /** Where the owner talks to the bot in private. */
  readonly place: Place
  /** The owner writes there; resolves with the network's id of the message. */
  say(text: string): Promise<string>
  /** What the bot has posted there, as it stands now, oldest first. */
  shown(): Promise<readonly { readonly ref: string; readonly text: string }[]>
  /** The next call of the bot that posts a message meets this. */
  failNext(how: 'rate-limited' | 'refused-connection' | 'lost-answer'): Promise<void>
  stop(): Promise<void>
}

/**
 * The promises of the port `Transport`, tried on one transport. Each test starts a network of its own.
 * `skip` maps the name of a test to the reason why it cannot hold there.
 */
export function transportContract(
  name: string,
  start: () => Promise<TransportHarness>,
  options: { readonly skip?: Readonly<Record<string, string>> } = {},
): void {
  const skip = new Map(Object.entries(options.skip ?? {}))
  describe(`the transport ${name}`, () => {
    for (const sentence of promises().keys()) {
      const reason = skip.get(sentence)
      skip.delete(sentence)
      test(sentence, reason === undefined ? {} : { skip: reason }, (t) => keepsPromise(sentence, start, t))
    }
    test('every skip names a test of the contract', () => assert.deepEqual([...skip.keys()], []))
  })
}

/** Tries one promise; rejects where it is broken. */
export async function keepsPromise(
  sentence: string,
  start: () => Promise<TransportHarness>,
  t: Skippable = { skip() {} },
): Promise<void> {
  const run = promises().get(sentence)
  if (run === undefined) throw new Error(`the contract does not say “${sentence}”`)
  const harness = await start()
  const home = await mkdtemp(join(tmpdir(), 'ductor-contract-'))
  const stage = new Stage(harness, home)
  try {
    await run(stage, t)
  } finally {
    await stage.end()
    await harness.stop()
    await rm(home, { recursive: true, force: true })
  }
}

type Skippable = Pick<TestContext, 'skip'>
type Promised = (sentence: string, run: (stage: Stage, t: Skippable) => Promise<void>) => void

function promises(): ReadonlyMap<string, (stage: Stage, t: Skippable) => Promise<void>> {
  const all = new Map<string, (stage: Stage, t: Skippable) => Promise<void>>()
  const promise: Promised = (sentence, run) => void all.set(sentence, run)
  hearing(promise)
  showing(promise)
  failing(promise)
  looking(promise)
  return all
}

function hearing(promise: Promised): void {
  promise('says that it is connected, and under which account', async (stage) => {
    const { reports } = await stage.listen()
    const connected = reports.find(({ state }) => state === 'connected')
    assert.match(connected?.account ?? '', /\S/, 'a connected report names the account')
  })

  promise('hears a message with its place, its sender and its id', async (stage) => {
    await stage.listen()
    const before = Date.now()
    const messageId = await stage.harness.say('Good morning')
    const [message] = await stage.taken(1)
    assert.equal(message?.text, 'Good morning')
    assert.deepEqual(message?.place, stage.harness.place)
    assert.equal(message?.messageId, messageId)
    assert.notEqual(message?.sender.id, '')
    assert.equal(message?.group, false, 'a private place is no group')
    const anHour = 3_600_000
    assert.ok(Math.abs((message?.sentAt ?? 0) - before) < anHour, 'sentAt is in milliseconds')
  })

  promise('keeps messages in the order in which they were written', async (stage) => {
    await stage.listen()
    const texts = Array.from({ length: 12 }, (_, index) => `message ${index + 1}`)
    for (const text of texts) await stage.harness.say(text)
    const messages = await stage.taken(texts.length)
    assert.deepEqual(
      messages.map(({ text }) => text),
      texts,
    )
    assert.equal(new Set(messages.map(({ id }) => id)).size, texts.length, 'each has an id of its own')
  })

  promise('hears after a restart what was written meanwhile, in order', async (stage) => {
    const first = await stage.listen()
    await stage.harness.say('before')
    await stage.taken(1)
    await first.stop()
    await stage.harness.say('one')
    await stage.harness.say('two')
    await stage.listen()
    const messages = await stage.taken(3)
    assert.deepEqual(
      messages.map(({ text }) => text),
      ['before', 'one', 'two'],
    )
  })

  promise('brings a message that was not taken again under the same id', async (stage) => {
    const first = await stage.listen({ diskFull: true })
    await stage.harness.say('do not lose me')
    const [untaken] = await eventually(
      () => (stage.store.offered.length > 0 ? stage.store.offered : undefined),
      'the message that nobody takes',
    )
    await first.stop()
    assert.deepEqual(stage.store.taken, [])

    await stage.listen()
    const [message] = await stage.taken(1)
    assert.equal(message?.text, 'do not lose me')
    assert.equal(message?.id, untaken?.id)
  })

  promise('does not bring again what was taken and remembered', async (stage) => {
    const first = await stage.listen()
    await stage.harness.say('once')
    await stage.taken(1)
    await first.stop()

    await stage.listen()
    await stage.harness.say('and then')
    await stage.taken(2)
    assert.deepEqual(textsOf(stage.store.offered), ['once', 'and then'])
  })

  promise('does not hear its own messages', async (stage) => {
    const { transport } = await stage.listen()
    await stage.post(transport, answer('my own words'))
    await stage.harness.say('a word of the owner')
    await stage.taken(1)
    await stage.harness.say('and another')
    await stage.taken(2)
    assert.deepEqual(textsOf(stage.store.offered), ['a word of the owner', 'and another'])
  })

  promise('stops listening soon after it is told to, also between two messages', async (stage) => {
    const idle = await stage.listen()
    await idle.stop()
    const refused = await stage.listen({ diskFull: true })
    await stage.harness.say('taken by nobody')
    await eventually(() => stage.store.offered.length > 0, 'the message that nobody takes')
    await refused.stop()
  })

  promise('does not start to listen when it was told to stop before', async (stage) => {
    const transport = await stage.open()
    const signal = AbortSignal.abort()
    await soon(transport.listen(stage.store.intake(signal), signal), 'the end of listening')
    assert.deepEqual(stage.store.offered, [])
  })
}

function showing(promise: Promised): void {
  promise('posts, edits and deletes a message', async (stage) => {
    const { transport } = await stage.listen()
    const [ref = ''] = await stage.post(transport, answer('first words'))
    const [posted, ...others] = await stage.harness.shown()
    assert.deepEqual(others, [])
    assert.equal(posted?.ref, ref)
    assert.match(posted?.text ?? '', /first words/)

    const place = stage.harness.place
    const [content = {}] = transport.render(answer('second thoughts'))
    await transport.deliver({ type: 'edit', place, content, key: 'edit-1', ref }, stage.signal)
    const [edited, ...more] = await stage.harness.shown()
    assert.deepEqual(more, [], 'an edit adds no message')
    assert.equal(edited?.ref, ref)
    assert.match(edited?.text ?? '', /second thoughts/)
    assert.doesNotMatch(edited?.text ?? '', /first words/)

    const deleted = await transport.deliver({ type: 'delete', place, key: 'delete-1', ref }, stage.signal)
    assert.equal(deleted, ref)
    assert.deepEqual(await stage.harness.shown(), [])
  })

  promise('makes an edit and a delete a second time without complaint', async (stage) => {
    const { transport } = await stage.listen()
    const [ref = ''] = await stage.post(transport, answer('one'))
    const place = stage.harness.place
    const [content = {}] = transport.render(answer('two'))
    const edit: Operation = { type: 'edit', place, content, key: 'edit-again', ref }
    await transport.deliver(edit, stage.signal)
    await transport.deliver(edit, stage.signal)
    assert.equal((await stage.harness.shown()).length, 1)
    const remove: Operation = { type: 'delete', place, key: 'delete-again', ref }
    await transport.deliver(remove, stage.signal)
    await transport.deliver(remove, stage.signal)
    assert.deepEqual(await stage.harness.shown(), [])
  })

  promise('shows nothing for a turn that has said nothing yet', async (stage) => {
    const transport = await stage.open()
    assert.deepEqual(transport.render({ state: 'working', parts: [], choices: [] }), [])
  })

  promise('renders the same view the same way each time', async (stage) => {
    const transport = await stage.open()
    const view = answer('# A title\n\n- one\n- two\n\n```ts\nconst a = 1\n```')
    assert.deepEqual(transport.render(view), transport.render(view))
    assert.deepEqual(transport.render(view), JSON.parse(JSON.stringify(transport.render(view))))
  })

  promise('loses nothing of a long text', async (stage) => {
    const { transport } = await stage.listen()
    const words = Array.from({ length: 10_000 }, (_, index) => `word${index}`)
    await stage.post(transport, answer(prose(words)))
    assert.deepEqual(wordsIn(await stage.harness.shown()), words)
  })

  promise('loses nothing of a long block of code', async (stage) => {
    const { transport } = await stage.listen()
    const words = Array.from({ length: 3_000 }, (_, index) => `word${index}`)
    await stage.post(transport, answer(`Look:\n\n\`\`\`text\n${words.join('\n')}\n\`\`\`\n\nDone.`))
    const shown = await stage.harness.shown()
    assert.deepEqual(wordsIn(shown), words)
    assert.match(shown.at(-1)?.text ?? '', /Done\./)
  })

  promise('loses nothing of a line without a space', async (stage) => {
    const { transport } = await stage.listen()
    await stage.post(transport, answer('x'.repeat(90_000)))
    const shown = (await stage.harness.shown()).map(({ text }) => text).join('')
    assert.equal(shown.replaceAll(/[^x]/g, '').length, 90_000)
  })

  promise(
    'shows once what is posted twice with the same key, where the network drops doubles',
    async (stage, t) => {
      const { transport } = await stage.listen()
      if (!transport.dropsDoubles) return t.skip('this network does not drop doubles')
      const [content = {}] = transport.render(answer('only once'))
      const post = stage.postOf(content, 'the-same-key')
      const first = await transport.deliver(post, stage.signal)
      const second = await transport.deliver(post, stage.signal)
      assert.equal(second, first)
      assert.equal((await stage.harness.shown()).length, 1)
    },
  )
}

function failing(promise: Promised): void {
  promise('says for how long the chat must rest when there are too many messages', async (stage) => {
    const { transport } = await stage.listen()
    await stage.harness.failNext('rate-limited')
    const error = await stage.postFails(transport, 'rate-limited')
    assert.ok((error.retryAfterMs ?? 0) > 0, `retryAfterMs is ${error.retryAfterMs}`)
    assert.deepEqual(await stage.harness.shown(), [])
  })

  promise('tells a refused connection as unreachable, and posts when the network is back', async (stage) => {
    const { transport } = await stage.listen()
    await stage.harness.failNext('refused-connection')
    await stage.postFails(transport, 'unreachable')
    await eventually(() => stage.post(transport, answer('through at last')), 'the network')
    const shown = await stage.harness.shown()
    assert.equal(shown.length, 1)
    assert.match(shown[0]?.text ?? '', /through at last/)
  })

  promise(
    'does not know about a post whose answer was lost, unless it may safely be made again',
    async (stage) => {
      const { transport } = await stage.listen()
      await stage.harness.failNext('lost-answer')
      await stage.postFails(transport, transport.dropsDoubles ? 'unreachable' : 'unknown')
      assert.equal((await stage.harness.shown()).length, 1, 'it was done all the same')
      if (!transport.dropsDoubles) return
      const [content = {}] = transport.render(failingAnswer)
      await eventually(
        () => transport.deliver(stage.postOf(content, failingKey), stage.signal),
        'the network',
      )
      assert.equal((await stage.harness.shown()).length, 1, 'made again, it shows once')
    },
  )
}

function looking(promise: Promised): void {
  promise('finds a post whose answer was lost, and none that was never made', async (stage, t) => {
    const { transport } = await stage.listen()
    const find: Transport['find'] = transport.find?.bind(transport)
    if (find === undefined) return t.skip('this network cannot be asked for it')
    await stage.harness.say('so that there is something to count from')
    await stage.taken(1)
    await stage.harness.failNext('lost-answer')
    await stage.postFails(transport, 'unknown')
    const [content = {}] = transport.render(failingAnswer)
    const post = stage.postOf(content, failingKey)
    if (post.type !== 'post') assert.fail('no post')
    const [arrived] = await stage.harness.shown()
    assert.equal(await find(post, new Set(), stage.signal), arrived?.ref)
    const others = new Set([arrived?.ref ?? ''])
    assert.equal(await find(post, others, stage.signal), undefined)
    assert.deepEqual(await stage.harness.shown(), [arrived], 'looking changes nothing')
  })
}

const failingKey = 'a-post-that-fails'
const failingAnswer = answer('will it arrive?')

/** One network with one store, and the transports that a test opens on them. */
class Stage {
  readonly harness: TransportHarness
  readonly store = new InMemoryStore()
  readonly #home: string
  readonly #end = new AbortController()
  readonly #stops: (() => Promise<void>)[] = []
  #posts = 0

  constructor(harness: TransportHarness, home: string) {
    this.harness = harness
    this.#home = home
  }

  /** Aborted when the test ends. */
  get signal(): AbortSignal {
    return this.#end.signal
  }

  async open(reports: TransportReport[] = []): Promise<Transport> {
    const silent = { debug() {}, info() {}, warn() {}, error() {} }
    return this.harness.open({
      home: this.#home,
      log: silent,
      memory: this.store,
      report: (report) => void reports.push(report),
      heard() {},
    })
  }

  /** Opens the transport and lets it listen until `stop`; resolves when it has connected. */
  async listen({ diskFull = false } = {}): Promise<{
    readonly transport: Transport
    readonly reports: readonly TransportReport[]
    stop(): Promise<void>
  }> {
    const reports: TransportReport[] = []
    const transport = await this.open(reports)
    const told = new AbortController()
    const intake: Intake = diskFull ? this.store.fullIntake(told.signal) : this.store.intake(told.signal)
    const listening = transport.listen(intake, told.signal)
    const stop = async (): Promise<void> => {
      told.abort()
      await soon(listening, 'the end of listening')
    }
    this.#stops.push(stop)
    const connected = eventually(() => reports.some(({ state }) => state === 'connected'), 'the connection')
    const ended = listening.then(() => assert.fail('it stopped listening before it was told to'))
    ended.catch(() => {
      // After `stop` it may end, and `stop` itself tells how it ended.
    })
    await Promise.race([connected, ended])
    return { transport, reports, stop }
  }

  /** Waits until that many events were taken, and gives them; all of them must be messages. */
  async taken(count: number): Promise<readonly Message[]> {
    const taken = await eventually(
      () => (this.store.taken.length >= count ? this.store.taken : undefined),
      `message ${count} of the owner`,
    )
    return taken.map((inbound) => {
      if (inbound.kind !== 'message') assert.fail(`a message came as ${inbound.kind}`)
      return inbound
    })
  }

  /** Posts all messages that show this view, and gives their refs. */
  async post(transport: Transport, view: View): Promise<readonly string[]> {
    const refs: string[] = []
    for (const content of transport.render(view)) {
      refs.push(await transport.deliver(this.postOf(content, `post-${++this.#posts}`), this.signal))
    }
    return refs
  }

  postOf(content: Readonly<Record<string, unknown>>, key: string): Operation {
    return { type: 'post', place: this.harness.place, content, key, notify: true }
  }

  /** Posts something that must fail in this way. */
  async postFails(transport: Transport, failure: DeliveryFailure): Promise<DeliveryError> {
    const [content = {}] = transport.render(failingAnswer)
    const failed = await transport.deliver(this.postOf(content, failingKey), this.signal).then(
      () => assert.fail('the post did not fail'),
      (error: unknown) => error,
    )
    if (!(failed instanceof DeliveryError)) assert.fail(`deliver threw ${String(failed)}`)
    assert.equal(failed.failure, failure, failed.message)
    return failed
  }

  async end(): Promise<void> {
    for (const stop of this.#stops) await stop()
    this.#end.abort()
  }
}

/** Fails where `promised` takes so long that a person would give up; the limit is generous to a loaded machine. */
async function soon<T>(promised: Promise<T>, what: string): Promise<T> {
  const late = Promise.withResolvers<never>()
  const limit = setTimeout(() => late.reject(new Error(`${what} did not come within 10 s`)), 10_000)
  try {
    return await Promise.race([promised, late.promise])
  } finally {
    clearTimeout(limit)
  }
}

function answer(text: string): View {
  return { state: 'ended', parts: [{ kind: 'text', text }], choices: [], stop: 'end_turn' }
}

/** Words as paragraphs of ten lines of ten words. */
function prose(words: readonly string[]): string {
  return words
    .map((word, index) => word + ((index + 1) % 100 === 0 ? '\n\n' : (index + 1) % 10 === 0 ? '\n' : ' '))
    .join('')
}

function wordsIn(shown: readonly { readonly text: string }[]): readonly string[] {
  return shown.flatMap(({ text }) => text.match(/word\d+/g) ?? [])
}

function textsOf(inbounds: readonly Inbound[]): readonly (string | undefined)[] {
  return inbounds.map((inbound) => ('text' in inbound ? inbound.text : undefined))
}
