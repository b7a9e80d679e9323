import assert from 'node:assert/strict'
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { test, type TestContext } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { Provider, Turn, TurnEvent, UnpromptedTurn } from '../../src/core/provider.ts'
import { eventually } from '../support/eventually.ts'

/** A PNG of one pixel. */
const dot = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=='

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
    /** The agent asks this of the person, and then says what the answer was. */
    readonly question?: (text: string, options: readonly string[]) => string
    /** Runs a command in the background and ends the turn; when the command has ended, the agent speaks by itself. */
    readonly background?: (command: string) => string
    /** Answers `pictures: N`: how many pictures came with this prompt. */
    readonly pictures?: () => string
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
    act: (stage: ProviderStage, provider: Provider, t: TestContext) => Promise<void>,
    reason = skip,
  ): void =>
    void test(`${name}: ${what}`, reason === undefined ? {} : { skip: reason }, async (t) => {
      await using stage = await start()
      const provider = stage.open()
      try {
        await act(stage, provider, t)
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
          assert.ok(event.detail.includes(command), event.detail)
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

  contract(
    'what was allowed for the session holds in a new process, and nothing else does',
    async (stage, provider, t) => {
      const command = `touch ${stage.path('made')}`
      const deciding = async (by: Provider, turn: Turn, allow: boolean) => {
        const asked: Extract<TurnEvent, { type: 'permission.requested' }>[] = []
        const events: TurnEvent[] = []
        for await (const event of by.run(turn, never())) {
          events.push(event)
          if (event.type !== 'permission.requested') continue
          asked.push(event)
          by.answer?.(turn.id, event.id, { allow, remember: allow })
        }
        return { asked, resume: sessionOf(events) }
      }
      const first = await deciding(provider, stage.turn('a', stage.prompts.bash(command)), true)
      const [request] = first.asked
      if (request?.grant === undefined) return t.skip(`${name} keeps leave only in its process`)
      const granted = { resume: first.resume, grants: [request.grant] }
      await provider.close?.()
      const later = stage.open()
      try {
        rmSync(stage.path('made'))
        const same = stage.turn('a', stage.prompts.bash(command), granted)
        assert.deepEqual((await deciding(later, same, false)).asked, [])
        assert.ok(existsSync(stage.path('made')))
        const other = stage.turn('a', stage.prompts.bash(`rm ${stage.path('made')}`), granted)
        assert.equal((await deciding(later, other, false)).asked.length, 1)
        assert.ok(existsSync(stage.path('made')))
        const fresh = stage.turn('b', stage.prompts.bash(command))
        assert.equal((await deciding(later, fresh, false)).asked.length, 1)
      } finally {
        await later.close?.()
      }
    },
    skip ?? noTools,
  )

  contract('an interrupt ends the turn and keeps the process', async (stage, provider, t) => {
    if (provider.interrupt === undefined) return t.skip(`${name} cannot be interrupted softly`)
    const turn = stage.turn('a', stage.prompts.slow())
    assert.equal(await provider.interrupt(turn.id), false)
    let during: readonly number[] = []
    const events: TurnEvent[] = []
    for await (const event of provider.run(turn, never())) {
      events.push(event)
      if (event.type !== 'text' || during.length > 0) continue
      during = await stage.processes()
      assert.equal(await provider.interrupt(turn.id), true)
    }
    assert.equal(endOf(events).stop, 'cancelled')
    assert.deepEqual(await stage.processes(), during)
    assert.equal(await provider.interrupt(turn.id), false)
    const next = stage.turn('a', stage.prompts.say('back again'), { resume: sessionOf(events) })
    assert.equal(textOf(await Array.fromAsync(provider.run(next, never()))), 'back again')
    assert.deepEqual(await stage.processes(), during)
  })

  contract(
    'a message for a running turn goes into it',
    async (stage, provider, t) => {
      if (provider.steer === undefined) return t.skip(`${name} cannot be steered`)
      const turn = stage.turn('a', stage.prompts.bash(`touch ${stage.path('runs')}; ${until(stage, 'go')}`))
      assert.equal(await provider.steer(turn.id, 'too early', []), 'over')
      const steered = eventually(() => existsSync(stage.path('runs')), 'the tool').then(async () => {
        const taken = await provider.steer?.(turn.id, stage.prompts.say('as you wish'), [])
        writeFileSync(stage.path('go'), '')
        return taken
      })
      const events = await allowing(provider, turn)
      assert.equal(await steered, 'taken')
      assert.match(textOf(events), /as you wish/)
      assert.equal(endOf(events).stop, 'end_turn')
      assert.equal(events.filter(({ type }) => type === 'turn.ended').length, 1)
      assert.equal(await provider.steer(turn.id, 'too late', []), 'over')
    },
    skip ?? noTools,
  )

  contract('what the agent asks is answered by a choice or in words', async (stage, provider, t) => {
    const { question } = stage.prompts
    if (question === undefined) return t.skip(`${name} asks nothing`)
    for (const answer of ['blue', 'none of these: green']) {
      const turn = stage.turn('a', question('Which colour?', ['red', 'blue']))
      const events: TurnEvent[] = []
      for await (const event of provider.run(turn, never())) {
        events.push(event)
        if (event.type !== 'question.asked') continue
        const [asked] = event.questions
        assert.equal(asked?.text, 'Which colour?')
        assert.deepEqual(
          asked.options.map(({ label }) => label),
          ['red', 'blue'],
        )
        assert.equal(provider.reply?.(turn.id, event.id, [[answer]]), true)
        assert.equal(provider.reply?.(turn.id, event.id, [[answer]]), false)
      }
      assert.ok(textOf(events).includes(answer), textOf(events))
      assert.equal(endOf(events).stop, 'end_turn')
    }
  })

  contract('a released session can be used by another program', async (stage, provider, t) => {
    if (provider.release === undefined) return t.skip(`${name} keeps nothing that could be released`)
    const turn = stage.turn('a', stage.prompts.say('one'))
    const first = await Array.fromAsync(provider.run(turn, never()))
    await provider.release(turn.place, turn.strand)
    const other = stage.open()
    try {
      const next = stage.turn('a', stage.prompts.history(), { resume: sessionOf(first) })
      assert.equal(textOf(await Array.fromAsync(other.run(next, never()))), 'prompts: 2')
    } finally {
      await other.close?.()
    }
  })

  contract(
    'what the agent begins by itself is a turn of its own, and not the next answer',
    async (stage, provider, t) => {
      const { background } = stage.prompts
      if (provider.listen === undefined || background === undefined)
        return t.skip(`${name} begins nothing by itself`)
      const begun: UnpromptedTurn[] = []
      provider.listen((turn) => begun.push(turn))
      const turn = stage.turn('a', background(until(stage, 'go')))
      const first = await allowing(provider, turn)
      assert.equal(endOf(first).stop, 'end_turn')
      assert.equal(begun.length, 0)
      writeFileSync(stage.path('go'), '')
      const unprompted = await eventually(() => begun[0], 'a turn that the agent began')
      assert.notEqual(unprompted.id, turn.id)
      assert.deepEqual([unprompted.place, unprompted.strand], [turn.place, ''])
      const events = await Array.fromAsync(unprompted.events)
      assert.notEqual(textOf(events), '')
      assert.equal(events.filter(({ type }) => type === 'turn.ended').length, 1)
      assert.equal(endOf(events).stop, 'end_turn')
      const next = stage.turn('a', stage.prompts.say('as ever'), { resume: sessionOf(first) })
      assert.equal(textOf(await Array.fromAsync(provider.run(next, never()))), 'as ever')
      assert.equal(begun.length, 1)
    },
    skip ?? noTools,
  )

  contract('a picture reaches the model', async (stage, provider, t) => {
    const { pictures } = stage.prompts
    if (pictures === undefined) return t.skip(`${name} takes no pictures`)
    const path = stage.path('dot.png')
    writeFileSync(path, Buffer.from(dot, 'base64'))
    const attachments = [{ kind: 'picture', name: 'dot.png', mimeType: 'image/png', path } as const]
    const events = await Array.fromAsync(provider.run(stage.turn('a', pictures(), { attachments }), never()))
    assert.equal(textOf(events), 'pictures: 1')
  })

  contract('two conversations, and two strands of one, run at once', async (stage, provider) => {
    const turns = ['a', 'b', 'a/aside'].map((key) => {
      const [chat = '', strand = ''] = key.split('/')
      return stage.turn(chat, stage.prompts.say(`I am ${key}`), { strand })
    })
    const answers = await Promise.all(turns.map((turn) => Array.fromAsync(provider.run(turn, never()))))
    assert.deepEqual(answers.map(textOf), ['I am a', 'I am b', 'I am a/aside'])
    assert.equal(new Set(answers.map(sessionOf)).size, 3)
  })

  contract('turn after turn leaves nothing behind', async (stage, provider) => {
    await soak(stage, provider, 12)
  })

  contract('close leaves no process behind', async (stage, provider) => {
    await Array.fromAsync(provider.run(stage.turn('a', stage.prompts.say('one')), never()))
    await provider.close?.()
    assert.deepEqual(await stage.processes(), [])
  })
}

/**
 * Turns through one conversation, one after the other: the processes stay the same, and so does what this process
 * holds open. Gives the kilobytes of our heap and of the memory of each process, after the first tenth and at the end.
 */
export async function soak(
  stage: Pick<ProviderStage, 'turn' | 'processes'> & {
    readonly prompts: Pick<ProviderStage['prompts'], 'say'>
  },
  provider: Provider,
  turns: number,
): Promise<{ readonly before: readonly number[]; readonly after: readonly number[] }> {
  let session: string | undefined
  let kept: readonly number[] = []
  let held: readonly string[] = []
  let before: readonly number[] = []
  for (let n = 0; n < turns; n += 1) {
    const resume = session === undefined ? {} : { resume: session }
    const events = await Array.fromAsync(
      provider.run(stage.turn('a', stage.prompts.say(`turn ${n}`), resume), never()),
    )
    assert.equal(textOf(events), `turn ${n}`)
    session ??= sessionOf(events)
    if (n === Math.floor(turns / 10)) {
      kept = await stage.processes()
      held = resources()
      before = heldKb(kept)
    }
  }
  assert.deepEqual(await stage.processes(), kept)
  await eventually(() => resources().length <= held.length, `no more than ${held.join(', ')}`, 2000)
  return { before, after: heldKb(kept) }
}

function resources(): readonly string[] {
  return process.getActiveResourcesInfo().filter((kind) => kind !== 'Immediate')
}

/** What this process holds on its heap; then what the others hold, where the system tells. */
function heldKb(pids: readonly number[]): readonly number[] {
  setFlagsFromString('--expose-gc')
  runInNewContext('gc')()
  const own = process.memoryUsage().heapUsed / 1024
  if (process.platform !== 'linux') return [own]
  return [
    own,
    ...pids.map((pid) => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1])),
  ]
}

/** Runs a turn and allows all that it asks for. */
async function allowing(provider: Provider, turn: Turn): Promise<readonly TurnEvent[]> {
  const events: TurnEvent[] = []
  for await (const event of provider.run(turn, never())) {
    events.push(event)
    if (event.type === 'permission.requested') provider.answer?.(turn.id, event.id, { allow: true })
  }
  return events
}

/** A command that ends when the file is there. */
function until(stage: ProviderStage, name: string): string {
  return `until [ -e ${stage.path(name)} ]; do sleep 0.05; done`
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
