import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { endOf, textOf } from '../../../tests/contracts/provider.ts'
import { eventually } from '../../../tests/support/eventually.ts'
import { claudeBinary, whyNoClaude } from '../../../tests/support/install-claude.ts'
import type { Grant, Turn, TurnEvent } from '../../core/provider.ts'
import { stillRunning, treeOf } from '../kill-tree.ts'
import type { ClaudeProvider } from './provider.ts'
import { claudeStage, use, type ClaudeStage } from './stage.fake.ts'

type Asked = Extract<TurnEvent, { type: 'permission.requested' }>

const skip = await whyNoClaude()
const never = new AbortController().signal

interface On extends Pick<ClaudeStage, 'cwd' | 'env'> {
  readonly provider: ClaudeProvider
  readonly turn: ClaudeStage['turn']
  readonly path: ClaudeStage['path']
  readonly processes: ClaudeStage['processes']
  /** Runs a prompt to its end; `see` meets each event as it comes. */
  readonly run: (
    prompt: string,
    more?: Partial<Turn>,
    see?: (event: TurnEvent, turn: Turn) => unknown,
  ) => Promise<readonly TurnEvent[]>
}

/** What the real Claude Code does. */
const real = (
  what: string,
  act: (on: On) => Promise<void>,
  env: Record<string, string> = {},
  without: readonly string[] = [],
): void =>
  void test(what, skip === undefined ? {} : { skip }, async () => {
    await using stage = await claudeStage(env, without)
    const provider = stage.open()
    try {
      await act({
        ...stage,
        provider,
        async run(prompt, more = {}, see = () => {}) {
          const turn = stage.turn('a', prompt, more)
          const events: TurnEvent[] = []
          for await (const event of provider.run(turn, never)) {
            events.push(event)
            await see(event, turn)
          }
          return events
        },
      })
    } finally {
      await provider.close()
    }
  })

for (const [code, words] of [
  [401, /not signed in/],
  [429, /usage limit/],
  [500, /an error of its own \(500\)/],
  [529, /overloaded/],
] as const)
  real(`an error ${code} of the vendor says what to do`, async ({ run }) => {
    const end = endOf(await run(`error ${code}`))
    assert.equal(end.stop, 'failed')
    assert.match(end.error ?? '', words)
  })

real(
  'without a key and without a login, the turn says how to sign in',
  async ({ run, provider }) => {
    const end = endOf(await run('say hello'))
    assert.equal(end.stop, 'failed')
    assert.match(end.error ?? '', /not signed in.*claude auth login/)
    const health = await provider.check(never)
    assert.equal(health.signedIn, false)
    assert.match(health.mend ?? '', /claude auth login/)
  },
  {},
  ['ANTHROPIC_API_KEY'],
)

real('a session that Claude has lost begins anew with its instructions, and a notice', async ({ run }) => {
  const instructions = 'The password of the cellar is Xanadu.'
  const events = await run('knows Xanadu', { resume: randomUUID(), instructions })
  assert.equal(textOf(events), 'yes')
  assert.equal(events.filter(({ type }) => type === 'notice').length, 1)
  assert.equal(endOf(events).stop, 'end_turn')
})

real('doctor learns the version and that a key is there', async ({ provider }) => {
  const health = await provider.check(never)
  assert.equal(health.installed, true)
  assert.match(health.version ?? '', /^2\.1\./)
  assert.equal(health.signedIn, true)
})

real('model, effort and mode change in the running process', async ({ run, path, processes }) => {
  const resume = sessionOf(await run('say one'))
  const before = await processes()
  assert.match(textOf(await run('settings', { resume, model: 'haiku', effort: 'low' })), /haiku.* low$/)
  assert.match(textOf(await run('settings', { resume, model: 'sonnet', effort: 'high' })), /sonnet.* high$/)
  const back = textOf(await run('settings', { resume }))
  assert.doesNotMatch(back, /haiku|sonnet/)
  const make = use('Write', { file_path: path('made.txt'), content: 'made' })
  const events = await run(make, { resume, permissionMode: 'acceptEdits' })
  assert.ok(!events.some(({ type }) => type === 'permission.requested'))
  assert.deepEqual(await processes(), before)
})

real('model and effort are those of a session that begins', async ({ run }) => {
  assert.match(textOf(await run('settings', { model: 'haiku', effort: 'max' })), /haiku.* max$/)
})

real('what the agent should know from the beginning is in no list of processes', async (on) => {
  const instructions = 'The password of the cellar is Xanadu.'
  const seen: string[] = []
  const events = await on.run('knows Xanadu', { instructions }, async () => {
    for (const pid of await on.processes()) seen.push(readFileSync(`/proc/${pid}/cmdline`, 'utf8'))
  })
  assert.equal(textOf(events), 'yes')
  assert.ok(seen.length > 0 && seen.every((line) => !line.includes('Xanadu')))
  await eventually(() => readdirSync(join(on.cwd, '../run')).length === 0, 'the file to be removed')
  assert.equal(textOf(await on.run('knows Xanadu', { strand: 'other' })), 'no')
})

real('a command is shown with its folder', async ({ run, cwd }) => {
  const [asked] = await refusing(run, 'tool bash touch made')
  assert.equal(asked?.detail, `# in ${cwd}\ntouch made`)
  assert.equal(asked.language, 'sh')
  assert.equal(asked.title, 'Run a command')
})

real('a new file and a changed one are shown as unified diffs', async ({ run, path }) => {
  const file = path('poem.txt')
  const [write] = await refusing(run, use('Write', { file_path: file, content: 'one\ntwo\n' }))
  assert.equal(write?.language, 'diff')
  assert.equal(write.detail, `--- /dev/null\n+++ ${file}\n@@ -0,0 +1,2 @@\n+one\n+two`)
  writeFileSync(file, 'zero\none\ntwo\n')
  const resume = sessionOf(await run(use('Read', { file_path: file })))
  const edit = use('Edit', { file_path: file, old_string: 'one', new_string: 'uno' })
  const [change] = await refusing(run, edit, { resume })
  assert.match(change?.detail ?? '', /@@ -1,3 \+1,3 @@\n zero\n-one\n\+uno\n two/)
})

real('leave for the session is asked for once, and changes no file of the project', async (on) => {
  const make = (name: string) => use('Write', { file_path: on.path(name), content: name })
  let asked = 0
  const see = (event: TurnEvent, turn: Turn) => {
    if (event.type !== 'permission.requested') return
    asked += 1
    assert.equal(event.rememberable, true)
    on.provider.answer(turn.id, event.id, { allow: true, remember: true })
  }
  const resume = sessionOf(await on.run(make('one'), {}, see))
  await on.run(make('two'), { resume }, see)
  assert.equal(asked, 1)
  assert.ok(existsSync(on.path('two')))
  assert.equal(existsSync(on.path('.claude')), false)
})

real(
  'leave to change files, once given for the session, holds in a new process, and is none to run commands',
  async (on) => {
    const make = (name: string) => use('Write', { file_path: on.path(name), content: name })
    const asked: string[] = []
    const grants: Grant[] = []
    const see = (event: TurnEvent, turn: Turn) => {
      if (event.type !== 'permission.requested') return
      asked.push(event.title)
      if (event.grant !== undefined) grants.push(event.grant)
      on.provider.answer(turn.id, event.id, { allow: grants.length === 1, remember: true })
    }
    const resume = sessionOf(await on.run(make('one'), {}, see))
    for (const name of ['two', 'three']) {
      await on.provider.release(on.turn('a', '').place, '')
      await on.run(make(name), { resume, grants: grants.slice(0, 1) }, see)
      await on.run(make(`${name} again`), { resume, grants: grants.slice(0, 1) }, see)
      assert.ok(existsSync(on.path(`${name} again`)))
    }
    assert.equal(asked.length, 1)
    await on.run(
      `tool bash curl -s http://127.0.0.1:1/ > ${on.path('four')}`,
      { resume, grants: grants.slice(0, 1) },
      see,
    )
    assert.equal(asked.length, 2)
    assert.equal(existsSync(on.path('four')), false)
  },
)

real('leave for a command, given for the session, is none to change files', async (on) => {
  const asked: string[] = []
  const see = (event: TurnEvent, turn: Turn) => {
    if (event.type !== 'permission.requested') return
    asked.push(event.title)
    on.provider.answer(turn.id, event.id, { allow: asked.length === 1, remember: true })
  }
  const resume = sessionOf(await on.run(`tool bash touch ${on.path('one')}`, {}, see))
  await on.run(`tool bash touch ${on.path('one')}`, { resume }, see)
  assert.equal(asked.length, 1)
  await on.run(use('Write', { file_path: on.path('two'), content: 'two' }), { resume }, see)
  assert.equal(asked.length, 2)
  assert.equal(existsSync(on.path('two')), false)
})

real('what is denied is told to the agent with the reason', async ({ run, provider }) => {
  const events = await run('tool bash touch made', {}, (event, turn) => {
    if (event.type === 'permission.requested')
      provider.answer(turn.id, event.id, { allow: false, reason: 'not on a Sunday' })
  })
  assert.match(textOf(events), /not on a Sunday/)
})

real(
  'in readOnly mode it reads, and what would change anything is refused without asking',
  async ({ run, path }) => {
    writeFileSync(path('poem.txt'), 'roses are red')
    const more = { permissionMode: 'readOnly' } as const
    const read = await run(use('Read', { file_path: path('poem.txt') }), more)
    assert.match(textOf(read), /roses are red/)
    const resume = sessionOf(read)
    for (const act of ['tool bash touch made', use('Write', { file_path: path('made'), content: '' })]) {
      const events = await run(act, { ...more, resume })
      assert.ok(!events.some(({ type }) => type === 'permission.requested'))
      assert.equal(endOf(events).stop, 'end_turn')
    }
    assert.equal(existsSync(path('made')), false)
  },
)

real('in plan mode the plan is shown before it is carried out', async ({ run, provider }) => {
  const asked: Asked[] = []
  const plan = '1. dig\n2. plant'
  await run(use('ExitPlanMode', { plan }), { permissionMode: 'plan' }, (event, turn) => {
    if (event.type !== 'permission.requested') return
    asked.push(event)
    provider.answer(turn.id, event.id, { allow: true })
  })
  assert.equal(asked[0]?.title, 'Carry out the plan')
})

real('a message that is put into a running text is answered in the same turn', async ({ run, provider }) => {
  let steered = false
  const events = await run('slow 30', {}, async ({ type }, turn) => {
    if (type !== 'text' || steered) return
    steered = true
    assert.equal(await provider.steer(turn.id, 'say by the way', []), 'taken')
  })
  assert.match(textOf(events), /w29[^]*by the way/)
  assert.equal(endOf(events).stop, 'end_turn')
  assert.equal(events.filter(({ type }) => type === 'turn.ended').length, 1)
})

real(
  'words that an interrupt takes along, or the end of Claude, are told',
  async ({ run, provider, processes }) => {
    for (const [how, stop] of [
      ['interrupt', 'cancelled'],
      ['kill', 'failed'],
    ] as const) {
      let steered = false
      const events = await run('slow 10000', {}, async ({ type }, turn) => {
        if (type !== 'text' || steered) return
        steered = true
        assert.equal(await provider.steer(turn.id, 'say by the way', []), 'taken')
        if (how === 'interrupt') return void provider.interrupt(turn.id)
        const [pid = 0] = await processes()
        process.kill(pid, 'SIGKILL')
      })
      assert.equal(endOf(events).stop, stop)
      assert.doesNotMatch(textOf(events), /by the way/)
      assert.match(JSON.stringify(events), /was not taken up.*say by the way/)
      assert.equal(textOf(await run('say back', { resume: sessionOf(events) })), 'back')
    }
  },
)

real(
  'when Claude is killed in the middle of a tool, the tool goes too',
  async ({ run, path, provider, processes }) => {
    let ran: Awaited<ReturnType<typeof treeOf>> = []
    const events = await run(`tool bash touch ${path('runs')}; sleep 600`, {}, async (event, turn) => {
      if (event.type !== 'permission.requested') return
      provider.answer(turn.id, event.id, { allow: true })
      await eventually(() => existsSync(path('runs')))
      const [pid = 0] = await processes()
      ran = await treeOf(pid)
      process.kill(pid, 'SIGKILL')
    })
    assert.equal(endOf(events).stop, 'failed')
    assert.match(endOf(events).error ?? '', /SIGKILL/)
    assert.ok(ran.length > 1)
    assert.deepEqual(await stillRunning(ran), [])
    assert.equal(textOf(await run('say back', { resume: sessionOf(events) })), 'back')
  },
)

real('a turn tells what it used, and how full the context is', async ({ run }) => {
  const first = await run('say one')
  const { usage } = endOf(await run('say two', { resume: sessionOf(first) }))
  assert.equal(usage?.inputTokens, 100)
  assert.equal(usage.contextTokens, 100)
  assert.equal(usage.contextWindow, 1_000_000)
  assert.ok(Math.abs((usage.costUsd ?? 0) - (endOf(first).usage?.costUsd ?? 0)) < 1e-9)
})

real('the models are those that Claude tells', async ({ provider, processes }) => {
  const { models, asOf } = await provider.models(never)
  assert.equal(asOf, undefined)
  assert.ok(models.find(({ id }) => id === 'default')?.isDefault)
  assert.ok(models.find(({ id }) => id === 'haiku')?.efforts.includes('low'))
  assert.deepEqual(await processes(), [])
})

real('sessions of this folder are listed, those of a terminal too, and can be taken there', async (on) => {
  const ours = sessionOf(await on.run('say the first one'))
  const terminal = await claude(on, 'say in a terminal')
  const listed = await on.provider.sessions(on.cwd, never)
  assert.deepEqual(
    listed.map(({ id, title }) => [id, title]),
    [
      [terminal, 'say in a terminal'],
      [ours, 'say the first one'],
    ],
  )
  assert.deepEqual(await on.provider.sessions('/somewhere/else', never), [])
  assert.equal(textOf(await on.run('history', { strand: 'b', resume: terminal })), 'prompts: 2')
  assert.deepEqual(on.provider.handoff(ours), [claudeBinary, '--resume', ours])
})

real('a session that is open in a terminal is not branched', async (on) => {
  const resume = sessionOf(await on.run('say one'))
  await on.provider.release(on.turn('a', '').place, '')
  const terminal = spawn(claudeBinary, ['-p', '--resume', resume, ...jsonLines], { cwd: on.cwd, env: on.env })
  const line = { type: 'user', message: { role: 'user', content: 'say I am here' }, parent_tool_use_id: null }
  terminal.stdin.write(`${JSON.stringify({ ...line, session_id: '' })}\n`)
  await once(terminal.stdout, 'data')
  const end = endOf(await on.run('say two', { resume }))
  assert.match(end.error ?? '', /open in a terminal .*process \d+/)
  terminal.kill('SIGKILL')
  await once(terminal, 'exit')
  assert.equal(textOf(await on.run('say three', { resume })), 'three')
})

real(
  'of two chats that go on with one session at once, one is told to wait',
  async ({ run, provider, turn }) => {
    const resume = sessionOf(await run('say one'))
    await provider.release(turn('a', '').place, '')
    const both = ['b', 'c'].map((strand) => run('say two', { strand, resume }))
    const ends = (await Promise.all(both)).map(endOf)
    assert.deepEqual(ends.map(({ stop }) => stop).toSorted(), ['end_turn', 'failed'])
    assert.match(ends.map(({ error }) => error).join(''), /Another chat is at work in this session/)
    assert.equal(textOf(await run('history', { resume })), 'prompts: 3')
  },
)

real('a session moves from one chat to another, and is never in two', async ({ run, processes }) => {
  const resume = sessionOf(await run('say one'))
  assert.equal(textOf(await run('history', { strand: 'b', resume })), 'prompts: 2')
  assert.equal((await processes()).length, 1)
})

if (process.getuid?.() === 0) {
  const more = { permissionMode: 'bypassPermissions' } as const
  real('acting without asking as root is refused with what to do', async ({ run }) => {
    assert.match(endOf(await run('say one', more)).error ?? '', /as root.*IS_SANDBOX/)
  })
  real(
    'in a sandbox root may act without asking',
    async ({ run, path }) => {
      const events = await run(`tool bash touch ${path('made')}`, more)
      assert.ok(!events.some(({ type }) => type === 'permission.requested'))
      assert.ok(existsSync(path('made')))
    },
    { IS_SANDBOX: '1' },
  )
}

const jsonLines = ['--input-format=stream-json', '--output-format=stream-json', '--verbose']

/** Runs one prompt as a person would, and gives the session. */
async function claude({ cwd, env }: On, prompt: string): Promise<string> {
  const child = spawn(claudeBinary, ['-p', '--output-format=json', prompt], {
    cwd,
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const said = (await Array.fromAsync(child.stdout)).join('')
  return JSON.parse(said).session_id
}

/** What a prompt asks leave for; all is denied. */
async function refusing(run: On['run'], prompt: string, more: Partial<Turn> = {}): Promise<readonly Asked[]> {
  const asked: Asked[] = []
  const stop = new Error('seen')
  await run(prompt, more, (event) => {
    if (event.type !== 'permission.requested') return
    asked.push(event)
    throw stop
  }).catch((error: unknown) => {
    if (error !== stop) throw error
  })
  return asked
}

function sessionOf(events: readonly TurnEvent[]): string {
  const event = events.find(({ type }) => type === 'session.started')
  assert.equal(event?.type, 'session.started')
  return event.sessionId
}
