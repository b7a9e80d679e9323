import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { eventually } from '../../tests/support/eventually.ts'
import { message, press, ScriptedProvider, setStage, shows } from '../../tests/support/stage.ts'
import type { Steered } from './provider.ts'

/** Its turns end when `end` is resolved; what becomes of words for the running turn is told by `steering`. */
class SteeredProvider extends ScriptedProvider {
  readonly end = Promise.withResolvers<void>()
  readonly steered: (readonly [turn: string, prompt: string])[] = []
  steering: () => Promise<Steered> = async () => 'taken'
  /** Called when a turn is to end. */
  aborted = () => {}

  override script = ({ prompt }: { readonly prompt: string }, signal: AbortSignal) => {
    signal.addEventListener('abort', () => this.aborted())
    return prompt === 'long'
      ? [
          { type: 'text', delta: 'begun' } as const,
          () => this.end.promise,
          { type: 'turn.ended', stop: 'end_turn' } as const,
        ]
      : [{ type: 'turn.ended', stop: 'end_turn', text: `did ${prompt}` } as const]
  }

  async interrupt(): Promise<boolean> {
    return true
  }

  steer(turn: string, prompt: string): Promise<Steered> {
    this.steered.push([turn, prompt])
    return this.steering()
  }
}

function file(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'ductor-steering-'))
  t.after(() => rmSync(folder, { recursive: true }))
  return join(folder, 'ductor.db')
}

for (const outcome of ['over', 'unsupported'] as const) {
  test(`what was to go into the running turn runs after it where that is ${outcome}`, async () => {
    const provider = new SteeredProvider()
    provider.steering = async () => outcome
    const stage = setStage({ provider })
    await stage.hear(message('long'))
    await shows(stage, 'begun')
    await stage.hear(message('next'))
    await eventually(() => stage.transport.token('Say it now'))
    await stage.hear(press(stage, 'Say it now'))
    await shows(stage, /→ /)
    provider.end.resolve()
    await shows(stage, 'did next')
    assert.equal(provider.turns.length, 2)
  })
}

test('what /now has put into a turn is not run again by itself when ductor is killed before it knows', async (t) => {
  const path = file(t)
  const provider = new SteeredProvider()
  provider.steering = () => new Promise(() => {})
  const before = setStage({ path, provider })
  await before.hear(message('long'))
  await shows(before, 'begun')
  await before.hear(message('/now mind the tests'))
  await eventually(() => provider.steered.length === 1)
  before.kill()
  const after = setStage({ path })
  after.gateway.start()
  await eventually(() => after.transport.token('Run again'))
  await eventually(() => after.store.countInbox('pending') === 0)
  assert.equal(after.store.countInbox('queued'), 0)
  assert.equal(after.provider.turns.length, 0)
  await after.hear(press(after, 'Run again'))
  await eventually(() => after.provider.turns.length === 1)
  assert.equal(after.provider.turns[0]?.prompt, 'long\n\nmind the tests')
})

for (const [what, how] of [
  ['is taken back', 'press'],
  ['is taken back', 'command'],
  ['is edited', 'press'],
] as const)
  test(`what ${what} while the running turn is asked to take it, by ${how}, is so where the turn has not taken it`, async () => {
    const provider = new SteeredProvider()
    const gate = Promise.withResolvers<Steered>()
    provider.steering = () => gate.promise
    const stage = setStage({ provider })
    await stage.hear(message('long'))
    await shows(stage, 'begun')
    const next = message(how === 'command' ? '/now next' : 'next')
    await stage.hear(next)
    if (how === 'press') {
      await eventually(() => stage.transport.token('Say it now'))
      await stage.hear(press(stage, 'Say it now'))
    }
    await eventually(() => provider.steered.length === 1)
    const { text: _, kind: __, id, ...rest } = next
    await stage.hear(
      what === 'is edited'
        ? { ...rest, id: `edit/${id}`, kind: 'edit', text: 'better' }
        : { ...rest, id: `redaction/${id}`, kind: 'redaction' },
    )
    provider.end.resolve()
    gate.resolve('over')
    if (what === 'is edited') await shows(stage, 'did better')
    else if (how === 'press') await shows(stage, /→ Cancelled/)
    await stage.hear(message('last'))
    await shows(stage, 'did last')
    assert.deepEqual(
      provider.turns.map(({ prompt }) => prompt),
      ['long', ...(what === 'is edited' ? ['better'] : []), 'last'],
    )
  })

for (const command of ['/interrupt', '/now mind the tests'])
  test(`/stop ends what runs, also while ${command} is still at work`, async () => {
    const provider = new SteeredProvider()
    const begun = Promise.withResolvers<void>()
    const asked = Promise.withResolvers<Steered>()
    provider.steering = () => {
      begun.resolve()
      return asked.promise
    }
    provider.interrupt = async () => {
      begun.resolve()
      return true
    }
    provider.aborted = () => {
      asked.resolve('over')
      provider.end.resolve()
    }
    const stage = setStage({ provider })
    await stage.hear(message('long'))
    await shows(stage, 'begun')
    await stage.hear(message(command))
    await begun.promise
    await stage.hear(message('/stop'))
    await shows(stage, /^Stopped/)
    await stage.hear(message('last'))
    await shows(stage, 'did last')
    assert.deepEqual(
      provider.turns.map(({ prompt }) => prompt),
      ['long', 'last'],
    )
  })

for (const command of ['/interrupt', '/now mind the tests'])
  test(`a provider that never answers ${command} holds up no later command once the turn has ended`, async () => {
    const provider = new SteeredProvider()
    const asked = Promise.withResolvers<void>()
    const never = () => {
      asked.resolve()
      return new Promise<never>(() => {})
    }
    provider.steering = never
    provider.interrupt = never
    provider.aborted = () => provider.end.resolve()
    const stage = setStage({ provider })
    await stage.hear(message('long'))
    await shows(stage, 'begun')
    await stage.hear(message(command))
    await asked.promise
    await stage.hear(message('/stop'))
    await shows(stage, /^Stopped/)
    await stage.hear(message('/queue'))
    await shows(stage, 'Nothing waits.')
    await stage.hear(message('last'))
    await shows(stage, 'did last')
    assert.deepEqual(
      provider.turns.map(({ prompt }) => prompt),
      ['long', 'last'],
    )
  })

test('what was to go into a turn that ended without a word about it runs after it', async () => {
  const provider = new SteeredProvider()
  provider.steering = () => new Promise(() => {})
  const stage = setStage({ provider })
  await stage.hear(message('long'))
  await shows(stage, 'begun')
  await stage.hear(message('/now mind the tests'))
  await eventually(() => provider.steered.length === 1)
  provider.end.resolve()
  await shows(stage, 'did mind the tests')
  assert.equal(provider.turns.length, 2)
})

test('a /now that waits behind a command at work is dropped by a /stop that comes after it', async () => {
  const provider = new SteeredProvider()
  const models = Promise.withResolvers<{ models: [] }>()
  const asked = Promise.withResolvers<void>()
  Object.assign(provider, {
    models: () => {
      asked.resolve()
      return models.promise
    },
  })
  provider.aborted = () => provider.end.resolve()
  const stage = setStage({ provider })
  await stage.hear(message('long'))
  await shows(stage, 'begun')
  await stage.hear(message('/model'))
  await asked.promise
  await stage.hear(message('/now mind the tests'))
  await stage.hear(message('/stop'))
  await shows(stage, 'Stopped. 1 waiting message dropped.')
  models.resolve({ models: [] })
  await stage.hear(message('last'))
  await shows(stage, 'did last')
  assert.deepEqual(
    provider.turns.map(({ prompt }) => prompt),
    ['long', 'last'],
  )
})

test('a choice that was pressed behind a command at work begins no turn after a /stop, and can be pressed again', async () => {
  const models = Promise.withResolvers<{ models: [] }>()
  const asked = Promise.withResolvers<void>()
  const stage = setStage()
  const answers: string[] = []
  Object.assign(stage.transport, {
    answerPress: async (_press: unknown, text: string) => void answers.push(text),
  })
  Object.assign(stage.provider, {
    models: () => {
      asked.resolve()
      return models.promise
    },
  })
  stage.provider.script = ({ prompt }) => [
    { type: 'text', delta: prompt === 'go' ? 'Deploy? [button:Yes]' : `did ${prompt}` },
    { type: 'turn.ended', stop: 'end_turn' },
  ]
  await stage.hear(message('go'))
  await shows(stage, 'Deploy?')
  await stage.hear(message('/model'))
  await asked.promise
  await stage.hear(press(stage, 'Yes'))
  await stage.hear(message('/stop'))
  await eventually(() => answers.includes('Stopped before it was done.'))
  models.resolve({ models: [] })
  await stage.hear(message('last'))
  await shows(stage, 'did last')
  assert.equal(stage.provider.turns.length, 2)
  await stage.hear(press(stage, 'Yes'))
  await shows(stage, 'did Yes')
})
