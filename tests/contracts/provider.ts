import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { test } from 'node:test'
import type { Provider, Turn, TurnEvent } from '../../src/core/provider.ts'
import { eventually } from '../support/eventually.ts'

type Ended = Extract<TurnEvent, { type: 'turn.ended' }>

/** A provider with a scripted model behind it. */
export interface ProviderStage extends AsyncDisposable {
  /** Opens another provider on the same home: what a restart of ductor does. */
  open(): Provider
  /** A turn in conversation `key`, in a folder that exists. */
  turn(key: string, prompt: string, more?: Partial<Turn>): Turn
  readonly prompts: {
    say(words: string): string
    /** Goes on for longer than any test. */
    slow(): string
    bash(command: string): string
    /** Answers `prompts: N`: how many prompts of this session the model was sent. */
    history(): string
  }
  /** A path in the turns' folder. */
  path(name: string): string
  /** The pids of the provider's processes. */
  processes(): Promise<readonly number[]>
}

/** What every provider keeps, told with its real CLI. */
export function providerContract(
  name: string,
  start: () => Promise<ProviderStage>,
  skip: string | undefined,
  /** Why what concerns tools cannot be tried. */
  noTools?: string,
): void {
  const contract = (
    what: string,
    act: (stage: ProviderStage, provider: Provider) => Promise<void>,
    reason = skip,
  ): void =>
    void test(`${name}: ${what}`, reason === undefined ? {} : { skip: reason }, async () => {
      await using stage = await start()
      const provider = stage.open()
      try {
        await act(stage, provider)
      } finally {
        await provider.close?.()
      }
    })

  contract('a turn has one ending, and it is the last event', async (stage, provider) => {
    const events = await Array.fromAsync(
      provider.run(stage.turn('a', stage.prompts.say('hello there')), never()),
    )
    assert.equal(textOf(events), 'hello there')
    assert.equal(events.filter(({ type }) => type === 'turn.ended').length, 1)
    assert.equal(endOf(events).stop, 'end_turn')
  })

  contract('a second turn goes on in the same process', async (stage, provider) => {
    const first = await Array.fromAsync(provider.run(stage.turn('a', stage.prompts.say('one')), never()))
    const before = await stage.processes()
    const next = stage.turn('a', stage.prompts.history(), { resume: sessionOf(first) })
    assert.equal(textOf(await Array.fromAsync(provider.run(next, never()))), 'prompts: 2')
    assert.deepEqual(await stage.processes(), before)
  })

  contract('a session goes on in a new process', async (stage, provider) => {
    const first = await Array.fromAsync(provider.run(stage.turn('a', stage.prompts.say('one')), never()))
    await provider.close?.()
    const later = stage.open()
    try {
      const next = stage.turn('a', stage.prompts.history(), { resume: sessionOf(first) })
      assert.equal(textOf(await Array.fromAsync(later.run(next, never()))), 'prompts: 2')
    } finally {
      await later.close?.()
    }
  })

  contract('an abort in mid-text ends the turn, and the next one works', async (stage, provider) => {
    const abort = new AbortController()
    const events: TurnEvent[] = []
    for await (const event of provider.run(stage.turn('a', stage.prompts.slow()), abort.signal)) {
      events.push(event)
      if (event.type === 'text') abort.abort()
    }
    assert.equal(endOf(events).stop, 'cancelled')
    const next = stage.turn('a', stage.prompts.say('back again'), { resume: sessionOf(events) })
    assert.equal(textOf(await Array.fromAsync(provider.run(next, never()))), 'back again')
  })

  contract(
    'an abort in mid-tool ends the tool, and the next turn works',
    async (stage, provider) => {
      const abort = new AbortController()
      const prompt = stage.prompts.bash(
        `echo $$ > ${stage.path('pid')}; touch ${stage.path('runs')}; sleep 600`,
      )
      const events: TurnEvent[] = []
      const turn = stage.turn('a', prompt)
      const watch = eventually(() => existsSync(stage.path('runs')), 'the tool').then(() => abort.abort())
      for await (const event of provider.run(turn, abort.signal)) {
        events.push(event)
        if (event.type === 'permission.requested') provider.answer?.(turn.id, event.id, { allow: true })
      }
      await watch
      assert.equal(endOf(events).stop, 'cancelled')
      const pids = await stage.processes()
      const next = stage.turn('a', stage.prompts.say('back again'), { resume: sessionOf(events) })
      assert.equal(textOf(await Array.fromAsync(provider.run(next, never()))), 'back again')
      assert.ok(pids.length <= 1, `the tool still runs: ${pids.join(', ')}`)
    },
    skip ?? noTools,
  )

  for (const allow of [true, false])
    contract(
      `what needs leave is ${allow ? 'done when it is allowed' : 'not done when it is denied'}`,
      async (stage, provider) => {
        const command = `touch ${stage.path('made')}`
        const turn = stage.turn('a', stage.prompts.bash(command))
        const events: TurnEvent[] = []
        for await (const event of provider.run(turn, never())) {
          events.push(event)
          if (event.type !== 'permission.requested') continue
          assert.equal(existsSync(stage.path('made')), false)
          assert.equal(event.detail, command)
          assert.equal(provider.answer?.(turn.id, event.id, { allow }), true)
          assert.equal(provider.answer?.(turn.id, event.id, { allow }), false)
        }
        assert.equal(events.filter(({ type }) => type === 'permission.requested').length, 1)
        assert.equal(existsSync(stage.path('made')), allow)
        const tool = events.findLast((event) => event.type === 'tool')
        assert.equal(tool?.status, allow ? 'completed' : 'failed')
        assert.equal(endOf(events).stop, 'end_turn')
      },
      skip ?? noTools,
    )

  contract('two conversations run at once', async (stage, provider) => {
    const answers = await Promise.all(
      ['a', 'b'].map((key) =>
        Array.fromAsync(provider.run(stage.turn(key, stage.prompts.say(`I am ${key}`)), never())),
      ),
    )
    assert.deepEqual(answers.map(textOf), ['I am a', 'I am b'])
  })

  contract('close leaves no process behind', async (stage, provider) => {
    await Array.fromAsync(provider.run(stage.turn('a', stage.prompts.say('one')), never()))
    await provider.close?.()
    assert.deepEqual(await stage.processes(), [])
  })
}

/** All text of a turn, without what was told to be void. */
export function textOf(events: readonly TurnEvent[]): string {
  const blocks = new Map<string | undefined, string>()
  for (const event of events) {
    if (event.type === 'text') blocks.set(event.block, (blocks.get(event.block) ?? '') + event.delta)
    if (event.type === 'text.reset') blocks.delete(event.block)
  }
  return [...blocks.values()].join('\n')
}

export function endOf(events: readonly TurnEvent[]): Ended {
  const last = events.at(-1)
  assert.equal(last?.type, 'turn.ended')
  return last
}

function sessionOf(events: readonly TurnEvent[]): string {
  const event = events.findLast(({ type }) => type === 'session.started')
  assert.equal(event?.type, 'session.started')
  return event.sessionId
}

function never(): AbortSignal {
  return new AbortController().signal
}
