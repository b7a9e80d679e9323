import assert from 'node:assert/strict'
import { test } from 'node:test'
import { eventually } from '../../tests/support/eventually.ts'
import { breathe, PaperTransport, place, setStage, silentLog, type Stage } from '../../tests/support/stage.ts'
import { Outbox } from './outbox.ts'
import { DeliveryError, type DeliveryFailure } from './transport.ts'
import { noticeView, type View } from './view.ts'

const working = (text: string): View => ({ state: 'working', parts: [{ kind: 'text', text }], choices: [] })
const ended = (text: string): View => ({ ...working(text), state: 'ended' })

function show(stage: Stage, view: View, key = 'turn/t'): void {
  stage.outbox.show({ key, place, view, final: view.state === 'ended', turn: 't' })
}

const settled = (stage: Stage, count = 1) =>
  eventually(() => stage.store.countPublications('settled') === count, `${count} settled`)

/** The next call fails like this, before it is carried out or after. */
function failOnce(stage: Stage, failure: DeliveryFailure, when: 'before' | 'after' = 'before'): void {
  stage.transport[when] = () => {
    stage.transport[when] = () => {}
    throw new DeliveryError(failure, 'as planned', { retryAfterMs: 5 })
  }
}

test('one message is posted and edited until it shows the final view', async () => {
  const stage = setStage()
  show(stage, working('a'))
  await eventually(() => stage.transport.texts[0] === 'a')
  show(stage, working('ab'))
  await eventually(() => stage.transport.texts[0] === 'ab')
  show(stage, ended('abc'))
  await settled(stage)
  assert.deepEqual(stage.transport.texts, ['abc'])
})

test('views that come faster than the network are skipped, the last is not', async () => {
  const stage = setStage()
  for (let n = 0; n < 100; n += 1) show(stage, working(`${n}`))
  show(stage, ended('end'))
  await settled(stage)
  assert.deepEqual(stage.transport.texts, ['end'])
  assert.ok(stage.transport.operations.length < 5)
})

test('a late progress view does not undo a final one', async () => {
  const stage = setStage()
  show(stage, ended('end'))
  show(stage, working('late'))
  await settled(stage)
  await breathe()
  assert.deepEqual(stage.transport.texts, ['end'])
})

test('finals go before progress, and in their order', async () => {
  const stage = setStage()
  const gate = Promise.withResolvers<void>()
  const deliver = stage.transport.deliver.bind(stage.transport)
  stage.transport.deliver = async (operation) => {
    await gate.promise
    return deliver(operation)
  }
  show(stage, working('progress'), 'turn/p')
  await breathe()
  show(stage, working('more'), 'turn/q')
  show(stage, ended('first'), 'turn/1')
  show(stage, noticeView('second'), 'notice/2')
  gate.resolve()
  await settled(stage, 2)
  await eventually(() => stage.transport.texts.length === 4)
  assert.deepEqual(stage.transport.texts, ['progress', 'first', 'second', 'more'])
})

for (const failure of ['rate-limited', 'unreachable', 'unknown'] as const) {
  test(`a final post that failed as ${failure} comes to be seen`, async () => {
    const stage = setStage()
    failOnce(stage, failure)
    show(stage, ended('end'))
    await settled(stage)
    assert.deepEqual(stage.transport.texts, ['end'])
  })
}

test('a final post whose answer was lost may appear twice, and only then the trace says so', async () => {
  const stage = setStage()
  failOnce(stage, 'unknown', 'after')
  show(stage, ended('end'))
  await settled(stage)
  assert.deepEqual(stage.transport.texts, ['end', 'end'])
  const events = stage.store.trace('ref-2-turn/t/0/p0').map(({ event }) => event)
  assert.deepEqual(events, ['doubtful', 'sent again', 'shown', 'delivered'])
})

test('a post whose answer was lost is looked for where the network can be asked, and not sent again', async () => {
  for (const view of [ended('end'), working('a')]) {
    const stage = setStage()
    const asked: (readonly string[])[] = []
    stage.transport.find = async ({ content }, others) => {
      asked.push([...others])
      return stage.transport.sheets.find(({ text }) => text === content['text'])?.ref
    }
    show(stage, ended('before'), 'turn/before')
    await settled(stage)
    failOnce(stage, 'unknown', 'after')
    show(stage, view)
    show(stage, ended('end'))
    await settled(stage, 2)
    assert.deepEqual(stage.transport.texts, ['before', 'end'])
    assert.deepEqual(asked, [['ref-1-turn/before/0/p0']])
  }
})

test('a post that was looked for and is not there is sent again; while nobody can say, it waits', async () => {
  const stage = setStage()
  let looks = 0
  stage.transport.find = async () => {
    looks += 1
    if (looks < 3) throw new DeliveryError('unreachable', 'as planned')
    return undefined
  }
  failOnce(stage, 'unknown', 'before')
  show(stage, ended('end'))
  await settled(stage)
  assert.equal(looks, 3)
  assert.deepEqual(stage.transport.texts, ['end'])
})

for (const failure of ['rate-limited', 'unreachable'] as const) {
  test(`a post that failed as ${failure} is surely not there: nobody looks for it, and no trace says it may be twice`, async () => {
    const stage = setStage()
    let looks = 0
    stage.transport.find = async () => void (looks += 1)
    failOnce(stage, failure)
    show(stage, ended('end'))
    await settled(stage)
    assert.equal(looks, 0)
    const events = stage.store.trace(stage.transport.sheets[0]?.ref ?? '').map(({ event }) => event)
    assert.deepEqual(events, ['shown', 'delivered'])
  })
}

test('a post in doubt stays so while the looking for it has to wait', async () => {
  const stage = setStage()
  let looks = 0
  stage.transport.find = async () => {
    looks += 1
    if (looks === 1) throw new DeliveryError('rate-limited', 'as planned', { retryAfterMs: 5 })
    return stage.transport.sheets[0]?.ref
  }
  failOnce(stage, 'unknown', 'after')
  show(stage, ended('end'))
  await settled(stage)
  assert.deepEqual([looks, stage.transport.texts], [2, ['end']])
})

for (const failure of ['rate-limited', 'unreachable'] as const) {
  test(`a post in doubt is looked for again when its second sending failed as ${failure}`, async () => {
    const stage = setStage()
    let looks = 0
    stage.transport.find = async () => {
      looks += 1
      // At the first look it is not there yet.
      if (looks > 1) return stage.transport.sheets[0]?.ref
      failOnce(stage, failure)
      return undefined
    }
    failOnce(stage, 'unknown', 'after')
    show(stage, ended('end'))
    await settled(stage)
    assert.deepEqual([looks, stage.transport.texts], [2, ['end']])
  })
}

test('a notice that was withdrawn while nobody knew whether it was there is looked for and goes', async () => {
  const stage = setStage()
  stage.transport.find = async () => stage.transport.sheets[0]?.ref
  failOnce(stage, 'unknown', 'after')
  show(stage, noticeView('waiting'), 'queue/1')
  await eventually(() => stage.transport.texts.length === 1)
  stage.outbox.withdraw('queue/1', place)
  await settled(stage)
  assert.deepEqual(stage.transport.texts, [])
})

test('where the network shows drafts, a turn is not posted before it has ended', async () => {
  const stage = setStage()
  const drafts: unknown[] = []
  stage.transport.preview = () => async (content) => void drafts.push(content['text'])
  show(stage, working('a'))
  await eventually(() => drafts.length === 1)
  show(stage, working('a'))
  show(stage, working('ab'))
  await eventually(() => drafts.length === 2)
  assert.deepEqual(stage.transport.texts, [])
  show(stage, ended('abc'))
  await settled(stage)
  assert.deepEqual([drafts, stage.transport.texts], [['a', 'ab'], ['abc']])
})

test('a draft that the network turns down is posted instead', async () => {
  const stage = setStage()
  let offered = true
  stage.transport.preview = () =>
    offered
      ? async () => {
          offered = false
          throw new Error('no drafts here')
        }
      : undefined
  show(stage, working('a'))
  await eventually(() => stage.transport.texts[0] === 'a')
})

test('a message of another kind takes the place of one, it is not edited into it', async () => {
  const stage = setStage()
  show(stage, working('a'))
  await eventually(() => stage.transport.texts.length === 1)
  const { render } = stage.transport
  stage.transport.render = (view) => render(view).map((content) => ({ ...content, kind: 'file' }))
  show(stage, ended('b'))
  await settled(stage)
  assert.deepEqual(stage.transport.texts, ['b'])
  assert.deepEqual(
    stage.transport.operations.map(({ type }) => type),
    ['post', 'delete', 'post'],
  )
  assert.equal(new Set(stage.transport.operations.map(({ key }) => key)).size, 3)
  assert.doesNotMatch(JSON.stringify(stage.store.trace('ref-2-turn/t/0/p1')), /sent again/)
})

test('where a chat takes no progress, nothing is shown before the end', async () => {
  const stage = setStage()
  Object.assign(stage.transport, { progressPaceMs: () => Infinity })
  show(stage, working('a'))
  await breathe()
  assert.deepEqual(stage.transport.texts, [])
  show(stage, ended('ab'))
  await settled(stage)
  assert.deepEqual(stage.transport.texts, ['ab'])
})

test('a progress post whose answer was lost is not sent again before the final view', async () => {
  const stage = setStage()
  failOnce(stage, 'unknown', 'after')
  show(stage, working('a'))
  await eventually(() => stage.transport.texts.length === 1)
  show(stage, working('ab'))
  await breathe()
  assert.deepEqual(stage.transport.texts, ['a'])
  show(stage, ended('abc'))
  await settled(stage)
  assert.deepEqual(stage.transport.texts, ['a', 'abc'])
})

test('a post has the same key at each attempt, so that a network that drops doubles shows it once', async () => {
  const stage = setStage({ transport: new PaperTransport({ dropsDoubles: true }) })
  failOnce(stage, 'unreachable', 'after')
  show(stage, ended('end'))
  await settled(stage)
  assert.equal(new Set(stage.transport.operations.map(({ key }) => key)).size, 1)
})

test('a message that is gone is posted anew, under another key', async () => {
  const stage = setStage()
  show(stage, working('a'))
  await eventually(() => stage.transport.texts.length === 1)
  failOnce(stage, 'gone')
  show(stage, ended('end'))
  await settled(stage)
  assert.deepEqual(stage.transport.texts, ['a', 'end'])
  const keys = stage.transport.operations.flatMap(({ type, key }) => (type === 'post' ? key : []))
  assert.equal(new Set(keys).size, 2)
})

test('what is refused for good is set aside, counted and traced; the next is delivered', async () => {
  const stage = setStage()
  failOnce(stage, 'rejected')
  show(stage, ended('bad'), 'turn/1')
  show(stage, ended('good'), 'turn/2')
  await settled(stage)
  assert.deepEqual(stage.transport.texts, ['good'])
  assert.equal(stage.store.countPublications('dead'), 1)
})

test('progress keeps the pace of its chat, a final view does not wait for it', async () => {
  const stage = setStage()
  Object.assign(stage.transport, { progressPaceMs: () => 3600_000 })
  show(stage, working('a'))
  await eventually(() => stage.transport.texts[0] === 'a')
  show(stage, working('ab'))
  await breathe()
  assert.deepEqual(stage.transport.texts, ['a'])
  show(stage, ended('abc'))
  await settled(stage)
  assert.deepEqual(stage.transport.texts, ['abc'])
})

test('a clock that is set back by an hour makes no chat wait for an hour', async () => {
  const { store, transport } = setStage()
  let back = 0
  const transports = new Map([['paper', transport]])
  const keep = async <T>(write: () => T): Promise<T> => write()
  const outbox = new Outbox({ store, transports, log: silentLog, keep, now: () => Date.now() - back })
  const showHere = (view: View, key: string) =>
    outbox.show({ key, place, view, final: view.state === 'ended' })
  Object.assign(transport, { progressPaceMs: () => 200 })
  showHere(working('a'), 'turn/1')
  await eventually(() => transport.texts[0] === 'a')
  back += 3600_000
  showHere(working('ab'), 'turn/1')
  await eventually(() => transport.texts[0] === 'ab', 'the progress')
  let refused = false
  transport.before = () => {
    transport.before = () => {}
    refused = true
    throw new DeliveryError('rate-limited', 'as planned', { retryAfterMs: 200 })
  }
  showHere(ended('abc'), 'turn/1')
  await eventually(() => refused)
  back += 3600_000
  await eventually(() => transport.texts[0] === 'abc', 'the answer')
  await outbox.close(0)
})

test('what was withdrawn before it was posted never appears', async () => {
  const stage = setStage()
  stage.outbox.show({ key: 'queue/1', place, view: noticeView('waiting'), final: true })
  stage.outbox.withdraw('queue/1', place)
  await settled(stage)
  assert.deepEqual(stage.transport.operations, [])
})

test('an answer whose edit is refused is said anew', async () => {
  const stage = setStage()
  show(stage, working('a'))
  await eventually(() => stage.transport.texts.length === 1)
  failOnce(stage, 'rejected')
  show(stage, ended('end'))
  await settled(stage)
  assert.deepEqual(stage.transport.texts, ['a', 'end'])
})

test('what ductor itself cannot render is set aside in the end, and keeps nothing else from its chat', async () => {
  const stage = setStage()
  const render = stage.transport.render.bind(stage.transport)
  stage.transport.render = (view) => {
    if (JSON.stringify(view).includes('poison')) throw new Error('a fault of ours')
    return render(view)
  }
  show(stage, ended('poison'), 'turn/1')
  show(stage, ended('good'), 'turn/2')
  await eventually(() => stage.transport.texts.includes('good'))
  await eventually(() => stage.store.countPublications('dead') === 1)
  await settled(stage)
})
