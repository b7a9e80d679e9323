import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { InMemoryStore } from '../../../tests/contracts/in-memory.ts'
import { endOf, providerContract, textOf, type ProviderStage } from '../../../tests/contracts/provider.ts'
import { eventually } from '../../../tests/support/eventually.ts'
import { silentLog } from '../../../tests/support/stage.ts'
import type { Provider, Steered, Turn, TurnEvent, UnpromptedTurn } from '../../core/provider.ts'
import { treeOf } from '../kill-tree.ts'
import definition from './index.ts'
import { allWords } from './steps.ts'

const never = new AbortController().signal

async function stage(): Promise<ProviderStage> {
  const home = mkdtempSync(join(tmpdir(), 'ductor-demo-'))
  const before = new Set((await treeOf(process.pid)).map(({ pid }) => pid))
  const opened: Provider[] = []
  const env = { PATH: process.env['PATH'] ?? '', DUCTOR_DEMO_SHELL: '1' }
  const deps = { home, log: silentLog, memory: new InMemoryStore(), env }
  const provider = await definition.open({}, deps)
  return {
    open() {
      opened.push(provider)
      return provider
    },
    turn: (key, prompt, more = {}): Turn => ({
      id: randomUUID(),
      place: { key, transport: 'paper', chat: key },
      prompt,
      attachments: [],
      strand: '',
      cwd: home,
      permissionMode: 'ask',
      ...more,
    }),
    prompts: {
      say: (words) => `say: ${words}`,
      slow: () => 'slow: 100000',
      bash: (command) => `run: ${command}`,
      history: () => 'history',
      question: (text, options) => `ask: ${[text, ...options].join('|')}`,
    },
    path: (name) => join(home, name),
    async processes() {
      return (await treeOf(process.pid)).map(({ pid }) => pid).filter((pid) => !before.has(pid))
    },
    async [Symbol.asyncDispose]() {
      for (const one of opened) await one.close?.()
      rmSync(home, { recursive: true, force: true })
    },
  }
}

providerContract('demo', stage, undefined)

interface On {
  readonly provider: Provider
  readonly turn: ProviderStage['turn']
  readonly path: ProviderStage['path']
  readonly processes: ProviderStage['processes']
  /** Runs a prompt to its end; `meet` sees each event as it comes. */
  readonly perform: (
    prompt: string,
    more?: Partial<Turn>,
    meet?: (event: TurnEvent, turn: Turn) => void,
  ) => Promise<TurnEvent[]>
}

const demo = (what: string, act: (on: On) => Promise<void>): void =>
  void test(what, async () => {
    await using on = await stage()
    const provider = on.open()
    await act({
      ...on,
      provider,
      async perform(prompt, more = {}, meet = () => {}) {
        const turn = on.turn('a', prompt, more)
        const events = []
        for await (const event of provider.run(turn, never)) {
          events.push(event)
          meet(event, turn)
        }
        return events
      },
    })
  })

demo('the demo agent says that it is no AI, and what to install', async ({ perform }) => {
  const words = textOf(await perform('hello'))
  assert.match(words, /not an AI/)
  assert.match(words, /npm install -g @anthropic-ai\/claude-code/)
})

test('the readme of the demo agent lists every word that it knows', () => {
  const readme = readFileSync(new URL('README.md', import.meta.url), 'utf8').replaceAll(/ +/g, ' ')
  for (const row of allWords().split('\n').slice(2)) assert.ok(readme.includes(row), row)
})

demo('an agent that crashes ends its turn with its last words, and the next turn works', async (on) => {
  const end = endOf(await on.perform('crash'))
  assert.equal(end.stop, 'failed')
  assert.match(end.error ?? '', /exit code 3: the demo agent was asked to crash/)
  assert.equal(textOf(await on.perform('say: back')), 'back')
})

demo(
  'an agent that hears nothing any more is ended, and the next turn works',
  async ({ provider, turn, perform }) => {
    const abort = new AbortController()
    setImmediate(() => abort.abort())
    assert.equal(
      endOf(await Array.fromAsync(provider.run(turn('a', 'hang'), abort.signal))).stop,
      'cancelled',
    )
    assert.equal(textOf(await perform('say: back')), 'back')
  },
)

demo('leave that is refused is heard, and leave for the session is asked for once', async (on) => {
  const asked: string[] = []
  const decide = (allow: boolean, remember: boolean) => (event: TurnEvent, turn: Turn) => {
    if (event.type !== 'permission.requested') return
    asked.push(event.detail)
    on.provider.answer?.(turn.id, event.id, { allow, remember })
  }
  assert.equal(textOf(await on.perform('permission: one', {}, decide(false, false))), 'Then not.')
  const events = await on.perform('permission: two', {}, decide(true, true))
  assert.match(textOf(events), /You allowed/)
  const session = events.find((event) => event.type === 'session.started')?.sessionId ?? ''
  assert.match(textOf(await on.perform('permission: two', { resume: session })), /You allowed/)
  assert.deepEqual(asked, ['one', 'two'])
  assert.equal(textOf(await on.perform('permission', { permissionMode: 'readOnly' })), 'Then not.')
})

demo('a request that is taken back needs no answer any more', async ({ provider, perform }) => {
  let id = ''
  const events = await perform('withdraw 1', {}, (event, turn) => {
    if (event.type === 'permission.requested') ({ id } = event)
    if (event.type === 'permission.withdrawn')
      assert.equal(provider.answer?.(turn.id, event.id, { allow: true }), false)
  })
  assert.ok(events.some((event) => event.type === 'permission.withdrawn' && event.id === id))
})

demo('questions are asked, and what is answered is heard', async ({ provider, perform }) => {
  const events = await perform('ask2', {}, (event, turn) => {
    if (event.type !== 'question.asked') return
    assert.deepEqual(
      event.questions.map(({ multiple, options }) => [multiple, options.length]),
      [
        [false, 2],
        [true, 3],
      ],
    )
    const answers = [['Tea'], ['Milk', 'a biscuit']]
    assert.equal(provider.reply?.(turn.id, event.id, answers), true)
    assert.equal(provider.reply?.(turn.id, event.id, answers), false)
  })
  assert.equal(textOf(events), 'You answered: Tea; Milk, a biscuit.')
})

demo('the plan is told as it stands, from its first step to its last', async ({ perform }) => {
  const plans = (await perform('plan')).filter((event) => event.type === 'plan')
  const statuses = plans.map(({ entries }) => entries.map(({ status }) => status).join(' '))
  assert.equal(statuses[0], 'in_progress pending pending')
  assert.equal(statuses.at(-1), 'completed completed completed')
})

demo('a message is put into the running turn; a turn that is over takes none', async (on) => {
  let steered: Promise<Steered> | undefined
  let id = ''
  const events = await on.perform('wait 30 | say: end', {}, (event, turn) => {
    if (event.type === 'session.started') steered = on.provider.steer?.(turn.id, 'say: between', [])
    ;({ id } = turn)
  })
  assert.equal(textOf(events), 'between\nend')
  assert.equal(await steered, 'taken')
  assert.equal(await on.provider.steer?.(id, 'say: late', []), 'over')
  await on.perform('unsteerable | say: now | wait 200', {}, (event, turn) => {
    if (event.type === 'text') steered = on.provider.steer?.(turn.id, 'say: between', [])
  })
  assert.equal(await steered, 'unsupported')
})

demo('an interrupt ends the turn, and the process stays', async ({ provider, perform, processes }) => {
  let interrupted: Promise<boolean> | undefined
  const events = await perform('slow 1000', {}, (event, turn) => {
    if (event.type === 'text') interrupted ??= provider.interrupt?.(turn.id)
  })
  assert.equal(endOf(events).stop, 'cancelled')
  assert.equal(await interrupted, true)
  const before = await processes()
  assert.equal(textOf(await perform('say: back')), 'back')
  assert.deepEqual(await processes(), before)
  assert.equal(await provider.interrupt?.('no such turn'), false)
})

demo('background work has its say in a turn of its own, which can ask and be stopped', async (on) => {
  const heard: UnpromptedTurn[] = []
  on.provider.listen?.((turn) => heard.push(turn))
  await on.perform('background 0', { strand: 'side' })
  const first = await eventually(() => heard[0])
  assert.equal(first.strand, 'side')
  assert.equal(first.place.key, 'a')
  assert.equal(textOf(await Array.fromAsync(first.events)), 'The background work is done.')
  await on.perform('background 0 permission', { strand: 'side' })
  const second = await eventually(() => heard[1])
  const events = []
  for await (const event of second.events) {
    events.push(event)
    if (event.type === 'permission.requested') on.provider.answer?.(second.id, event.id, { allow: false })
  }
  assert.equal(textOf(events), 'Then not.')
  await on.perform('background 0 slow 1000', { strand: 'side' })
  const third = await eventually(() => heard[2])
  third.stop()
  assert.equal(endOf(await Array.fromAsync(third.events)).stop, 'cancelled')
})

demo('two strands of one place have a session and a process each', async ({ perform, processes }) => {
  const names = await Promise.all(
    ['', 'side'].map(async (strand) => textOf(await perform('session?', { strand }))),
  )
  assert.notEqual(names[0], names[1])
  assert.equal((await processes()).length, 2)
})

demo('it knows what it was given: model, effort, instructions, mode, files', async ({ perform, path }) => {
  const more = {
    model: 'demo-small',
    effort: 'high',
    instructions: 'Be brief.',
    permissionMode: 'plan',
  } as const
  const file = {
    kind: 'picture',
    name: 'a.png',
    mimeType: 'image/png',
    size: 7,
    path: path('a.png'),
  } as const
  const events = await perform('model? | effort? | instructions? | mode? | attachments?', {
    ...more,
    attachments: [file],
  })
  assert.equal(
    textOf(events),
    `demo-small\nhigh\nBe brief.\nplan\n- picture \`a.png\` (image/png, 7 bytes) at \`${path('a.png')}\``,
  )
})

demo('sessions are listed, go on in a new process, and can be taken to a terminal', async (on) => {
  const id = textOf(await on.perform('session?'))
  await on.provider.release?.(on.turn('a', '').place, '')
  assert.deepEqual(await on.processes(), [])
  assert.equal(textOf(await on.perform('history', { resume: id })), 'prompts: 2')
  const [session] = (await on.provider.sessions?.(on.path('.').replace(/\/\.?$/, ''), never)) ?? []
  assert.equal(session?.id, id)
  assert.equal(session?.title, 'session?')
  assert.ok(on.provider.handoff?.(id, on.path('')).includes(id))
  const events = await on.perform('history', { resume: 'long-gone' })
  assert.match(events.flatMap((event) => (event.type === 'notice' ? [event.message] : [])).join(), /new one/)
})

demo('it tells usage, limits, refusals and failures, and takes words back', async ({ perform }) => {
  assert.equal(endOf(await perform('usage')).usage?.contextWindow, 200_000)
  assert.equal(endOf(await perform('limit')).stop, 'limit')
  assert.equal(endOf(await perform('refuse')).stop, 'refusal')
  assert.equal(endOf(await perform('fail: no luck')).error, 'no luck')
  assert.equal(textOf(await perform('retract: meant')), 'meant')
  assert.ok((await perform('garbage')).some(({ type }) => type === 'notice'))
})

demo('a file is written into the workspace and named in the answer', async ({ perform, path }) => {
  assert.match(textOf(await perform('file: note.txt')), new RegExp(`<file:${path('note.txt')}>`))
  assert.ok(existsSync(path('note.txt')))
  await perform('file: ../picture.png 100')
  assert.equal(readFileSync(path('picture.png')).length, 102_400)
  assert.equal(readFileSync(path('picture.png')).toString('latin1', 1, 4), 'PNG')
})
