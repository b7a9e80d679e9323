import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdtempDisposable, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { endOf, textOf } from '../../../tests/contracts/provider.ts'
import { eventually } from '../../../tests/support/eventually.ts'
import { codexBinary, plainCodexEnv, whyNoCodex } from '../../../tests/support/install-codex.ts'
import type { Turn, TurnEvent } from '../../core/provider.ts'
import { treeOf } from '../kill-tree.ts'
import type { CodexProvider } from './provider.ts'
import { stage, type CodexStage } from './stage.fake.ts'

const run = promisify(execFile)
const skip = await whyNoCodex()

type See = (event: TurnEvent) => unknown

function codexTest(
  what: string,
  act: (on: CodexStage, provider: CodexProvider) => Promise<void>,
  options: Parameters<typeof stage>[0] = {},
): void {
  void test(what, skip === undefined ? {} : { skip }, async () => {
    await using on = await stage(options)
    const provider = on.open()
    try {
      await act(on, provider)
    } finally {
      await provider.close()
    }
  })
}

for (const [code, words] of [
  [401, /not signed in/],
  [429, /usage limit/],
  [500, /OpenAI had an error of its own/],
  [529, /overloaded/],
  [400, /could not do it\. Codex says: .*scripted 400/],
] as const)
  codexTest(
    `an error ${code} of the vendor says what to do, and the next message works`,
    async (on, provider) => {
      const events = await all(provider, on.turn('a', `error ${code}`))
      assert.equal(endOf(events).stop, 'failed')
      assert.match(endOf(events).error ?? '', words)
      const next = on.turn('a', 'say still here', { resume: sessionOf(events) })
      assert.equal(textOf(await all(provider, next)), 'still here')
    },
    { config: 'stream_max_retries = 1' },
  )

codexTest('a 401 ends the turn at once, not after all retries', async (on, provider) => {
  const events = await all(provider, on.turn('a', 'error 401'))
  assert.match(endOf(events).error ?? '', /codex login/)
  assert.equal(on.model.calls.length, 1)
})

codexTest('a usage limit says when it is reset', async (on, provider) => {
  const first = await all(provider, on.turn('a', 'limits hello'))
  assert.match(noticesOf(first).join(), /95 % of the usage limit are used\. It is reset in (59 min|1 h)/)
  const again = await all(provider, on.turn('a', 'limits again', { resume: sessionOf(first) }))
  assert.deepEqual(noticesOf(again), [])
  const over = await all(provider, on.turn('b', 'error 429 {"type":"usage_limit_reached"}'))
  assert.match(endOf(over).error ?? '', /usage limit is reached\. It is reset in (59 min|1 h)/)
})

codexTest('an error that goes by is a notice, once', async (on, provider) => {
  const events = await all(provider, on.turn('a', 'flaky 503'))
  assert.equal(textOf(events), 'at last')
  assert.deepEqual(noticesOf(events), ['OpenAI did not answer (error 503); Codex is trying again.'])
})

codexTest(
  'a vendor that cannot be reached ends the turn within the bound, which Codex has none of',
  async (on, provider) => {
    const events = await all(provider, on.turn('a', 'say hello'))
    assert.match(noticesOf(events)[0] ?? '', /did not answer \(no connection\); Codex is trying again/)
    assert.equal(endOf(events).stop, 'failed')
    assert.match(endOf(events).error ?? '', /could not be reached for 1 s/)
  },
  { url: 'http://127.0.0.1:9/v1', patience: { retryMs: 1000 } },
)

codexTest(
  'a model that never answers ends the turn within the bound',
  async (on, provider) => {
    assert.match(endOf(await all(provider, on.turn('a', 'hang'))).error ?? '', /said nothing for 1 s/)
  },
  { patience: { silenceMs: 1000 } },
)

codexTest(
  'a tool may say nothing for longer than the bound',
  async (on, provider) => {
    const events = await all(
      provider,
      on.turn('a', 'tool bash sleep 4', { permissionMode: 'bypassPermissions' }),
    )
    assert.equal(endOf(events).stop, 'end_turn')
  },
  { patience: { silenceMs: 2500 } },
)

codexTest(
  'who is not signed in is told so, by the turn and by doctor',
  async (on, provider) => {
    const health = await provider.check(never())
    assert.equal(health.installed, true)
    assert.equal(health.version, '0.169.0')
    assert.equal(health.signedIn, false)
    assert.match(health.mend ?? '', /codex login/)
    assert.match(endOf(await all(provider, on.turn('a', 'error 401'))).error ?? '', /codex login/)
  },
  { env: (home, url) => plainCodexEnv(home, `model = "gpt-5.5"\nopenai_base_url = ${JSON.stringify(url)}`) },
)

codexTest('who has a model provider of their own needs no account', async (_, provider) => {
  assert.equal((await provider.check(never())).signedIn, true)
})

codexTest('a session that Codex has lost begins anew, with a notice', async (on, provider) => {
  for (const resume of [randomUUID(), 'no-uuid-at-all']) {
    const events = await all(provider, on.turn('a', 'history', { resume }))
    assert.equal(textOf(events), 'prompts: 1')
    assert.equal(noticesOf(events).length, 1)
    assert.notEqual(sessionOf(events), resume)
  }
})

codexTest(
  'a message for a running turn takes the place of the answer that is being written',
  async (on, provider) => {
    const turn = on.turn('a', 'slow 10000')
    const steered: unknown[] = []
    const events = await all(provider, turn, async (event) => {
      if (event.type === 'text' && event.delta === 'w5 ')
        steered.push(await provider.steer(turn.id, 'say something else', []))
    })
    assert.deepEqual(steered, ['taken'])
    assert.equal(textOf(events), 'something else')
    assert.ok(events.some(({ type }) => type === 'text.reset'))
    assert.equal(endOf(events).stop, 'end_turn')
    assert.equal(await provider.steer(turn.id, 'say too late', []), 'over')
  },
)

codexTest('an interrupt ends the turn and keeps the process', async (on, provider) => {
  const turn = on.turn('a', 'slow 10000')
  const before: (readonly number[])[] = []
  const events = await all(provider, turn, async (event) => {
    if (event.type !== 'text' || before.length > 0) return
    before.push(await on.processes())
    assert.equal(await provider.interrupt(turn.id), true)
  })
  assert.equal(endOf(events).stop, 'cancelled')
  assert.deepEqual(await on.processes(), before[0])
  assert.equal(await provider.interrupt(turn.id), false)
})

codexTest('a stop ends what a tool put into a session of its own, too', async (on, provider) => {
  const command = `setsid sleep 600 & echo $! > ${on.path('pid')}; sleep 600`
  const turn = on.turn('a', `tool bash ${command}`, { permissionMode: 'bypassPermissions' })
  const abort = new AbortController()
  const watch = eventually(async () => (await readFile(on.path('pid'), 'utf8')) !== '', 'the tool')
  void watch.then(() => abort.abort())
  const events = await Array.fromAsync(provider.run(turn, abort.signal))
  await watch
  assert.equal(endOf(events).stop, 'cancelled')
  const pid = Number(await readFile(on.path('pid'), 'utf8'))
  assert.deepEqual(await treeOf(pid), [])
})

codexTest(
  'what was allowed for the session is not asked again, and anything else is',
  async (on, provider) => {
    const asked: string[] = []
    let resume: string | undefined
    for (const name of ['one', 'one', 'two']) {
      const turn = on.turn('a', `tool bash touch ${on.path(name)}`, resume === undefined ? {} : { resume })
      const events = await all(provider, turn, (event) => {
        if (event.type !== 'permission.requested') return
        assert.equal(event.rememberable, true)
        asked.push(event.detail)
        provider.answer(turn.id, event.id, { allow: true, remember: true })
      })
      resume = sessionOf(events)
    }
    assert.deepEqual(
      asked,
      ['one', 'two'].map((name) => `touch ${on.path(name)}`),
    )
  },
)

codexTest(
  'what was allowed is done as it was shown, once, and nothing of it fails in silence',
  async (on, provider) => {
    const command = `echo run >> ${on.path('log')}; touch ${on.path('made')}; cat '${on.path('log')}' | head -1`
    const turn = on.turn('a', `tool bash ${command}`)
    const events = await all(provider, turn, (event) => {
      if (event.type !== 'permission.requested') return
      assert.equal(event.detail, command)
      assert.equal(event.language, 'sh')
      provider.answer(turn.id, event.id, { allow: true })
    })
    assert.equal(events.filter(({ type }) => type === 'permission.requested').length, 1)
    assert.equal(await readFile(on.path('log'), 'utf8'), 'run\n')
    assert.ok(existsSync(on.path('made')))
  },
)

codexTest('a shell that was allowed is no leave for what is typed into it', async (on, provider) => {
  const input = JSON.stringify({ cmd: 'bash', tty: true, yield_time_ms: 250 })
  const turn = on.turn('a', `call exec_command ${input}`)
  const events = await all(provider, turn, (event) => {
    if (event.type === 'permission.requested') provider.answer(turn.id, event.id, { allow: false })
  })
  assert.match(textOf(events), /TTY execution is disabled/)
})

codexTest('a change of files is asked for with its diff', async (on, provider) => {
  for (const allow of [true, false]) {
    const path = on.path(`file-${allow}`)
    const turn = on.turn('a', `patch ${path} some words`)
    const events = await all(provider, turn, (event) => {
      if (event.type !== 'permission.requested') return
      assert.equal(event.title, 'Change files')
      assert.equal(event.language, 'diff')
      assert.equal(event.detail, `--- /dev/null\n+++ ${path}\n+some words`)
      provider.answer(turn.id, event.id, { allow })
    })
    assert.equal(existsSync(path), allow)
    const tool = events.findLast((event) => event.type === 'tool')
    assert.equal(tool?.status, allow ? 'completed' : 'failed')
  }
})

codexTest(
  'changes of a file that were allowed for the session are not asked again, those of another are',
  async (on, provider) => {
    const asked: string[] = []
    let resume: string | undefined
    for (const name of ['one', 'one', 'two']) {
      const turn = on.turn('a', `patch ${on.path(name)} words`, resume === undefined ? {} : { resume })
      const events = await all(provider, turn, (event) => {
        if (event.type !== 'permission.requested') return
        asked.push(name)
        provider.answer(turn.id, event.id, { allow: true, remember: true })
      })
      resume = sessionOf(events)
    }
    assert.deepEqual(asked, ['one', 'two'])
  },
)

codexTest('the reason of a refusal reaches the agent', async (on, provider) => {
  const turn = on.turn('a', `tool bash touch ${on.path('made')}`)
  await all(provider, turn, (event) => {
    if (event.type === 'permission.requested')
      provider.answer(turn.id, event.id, { allow: false, reason: 'it is too late for that' })
  })
  assert.equal(existsSync(on.path('made')), false)
  assert.match(JSON.stringify(on.model.calls.at(-1)?.input), /I said no to that: it is too late for that/)
})

for (const [permissionMode, inside, outside] of [
  ['readOnly', false, false],
  ['plan', false, false],
  ['acceptEdits', true, false],
  ['bypassPermissions', true, true],
] as const)
  codexTest(`${permissionMode} asks nothing and holds what it promises`, async (on, provider) => {
    // Codex lets a workspace-write command write all of /tmp, too.
    await using folder = await mkdtempDisposable('/var/tmp/ductor-')
    const other = join(folder.path, 'outside')
    const turn = on.turn('a', `tool bash touch ${on.path('inside')}; touch ${other}`, { permissionMode })
    const events = await all(provider, turn)
    assert.equal(events.filter(({ type }) => type === 'permission.requested').length, 0)
    assert.equal(existsSync(on.path('inside')), inside)
    assert.equal(existsSync(other), outside)
  })

codexTest(
  'another permission mode counts from the next turn on, and the session goes on',
  async (on, provider) => {
    const first = await all(
      provider,
      on.turn('a', `tool bash touch ${on.path('one')}`, { permissionMode: 'bypassPermissions' }),
    )
    const resume = sessionOf(first)
    await all(
      provider,
      on.turn('a', `tool bash touch ${on.path('two')}`, { permissionMode: 'readOnly', resume }),
    )
    const turn = on.turn('a', `tool bash touch ${on.path('three')}`, { resume })
    const asked = await all(provider, turn, (event) => {
      if (event.type === 'permission.requested') provider.answer(turn.id, event.id, { allow: true })
    })
    assert.deepEqual(
      ['one', 'two', 'three'].map((name) => existsSync(on.path(name))),
      [true, false, true],
    )
    assert.equal(asked.filter(({ type }) => type === 'permission.requested').length, 1)
    assert.equal(textOf(await all(provider, on.turn('a', 'history', { resume }))), 'prompts: 4')
  },
)

codexTest('in plan mode the agent may ask, and its plan is the answer', async (on, provider) => {
  const question = {
    id: 'colour',
    header: 'Colour',
    question: 'Which colour?',
    options: [
      { label: 'Red', description: 'warm' },
      { label: 'Blue', description: 'cold' },
    ],
  }
  const turn = on.turn('a', `call request_user_input ${JSON.stringify({ questions: [question] })}`, {
    permissionMode: 'plan',
  })
  const first = await all(provider, turn, (event) => {
    if (event.type !== 'question.asked') return
    const [asked] = event.questions
    assert.equal(asked?.text, 'Which colour?')
    assert.deepEqual(
      asked.options.map(({ label }) => label),
      ['Red', 'Blue'],
    )
    assert.equal(provider.answer(turn.id, event.id, { allow: true }), false)
    assert.equal(provider.reply(turn.id, event.id, [['something green']]), true)
  })
  assert.match(textOf(first), /something green/)
  const resume = sessionOf(first)
  const plan = await all(
    provider,
    on.turn('a', 'plan first this, then that', { permissionMode: 'plan', resume }),
  )
  assert.equal(textOf(plan).trim(), 'first this, then that')
  const back = on.turn('a', `call request_user_input ${JSON.stringify({ questions: [question] })}`, {
    permissionMode: 'readOnly',
    resume,
  })
  assert.match(textOf(await all(provider, back)), /unavailable in Default mode/)
})

const mcp = join(import.meta.dirname, 'loud-mcp.fake.ts')
const withMcp = {
  config: `[mcp_servers.loud]\ncommand = ${JSON.stringify(process.execPath)}\nargs = [${JSON.stringify(mcp)}]`,
}

codexTest(
  'a tool of an MCP server is asked for, and remembered when that is what the person wants',
  async (on, provider) => {
    const asked: string[] = []
    let resume: string | undefined
    for (const words of ['one', 'two']) {
      const turn = on.turn(
        'a',
        `call mcp__loud/shout {"words":"${words}"}`,
        resume === undefined ? {} : { resume },
      )
      const events = await all(provider, turn, (event) => {
        if (event.type !== 'permission.requested') return
        asked.push(`${event.title} ${event.detail}`)
        provider.answer(turn.id, event.id, { allow: true, remember: true })
      })
      assert.match(textOf(events), new RegExp(`LOUD ${words}`))
      assert.equal(events.findLast((event) => event.type === 'tool')?.title, 'loud: shout')
      resume = sessionOf(events)
    }
    assert.deepEqual(asked, ['Use shout of loud {\n  "words": "one"\n}'])
  },
  withMcp,
)

codexTest(
  'a tool of an MCP server that is refused is not used',
  async (on, provider) => {
    const turn = on.turn('a', 'call mcp__loud/shout {"words":"one"}')
    const events = await all(provider, turn, (event) => {
      if (event.type === 'permission.requested') provider.answer(turn.id, event.id, { allow: false })
    })
    assert.doesNotMatch(textOf(events), /LOUD/)
    assert.equal(events.findLast((event) => event.type === 'tool')?.status, 'failed')
  },
  withMcp,
)

codexTest(
  'a form of an MCP server becomes questions, and the answers have its types',
  async (on, provider) => {
    const turn = on.turn('a', 'call mcp__loud/ask {}')
    const events = await all(provider, turn, (event) => {
      if (event.type !== 'question.asked') return
      assert.deepEqual(
        event.questions.map(({ text, options }) => [text, options.map(({ label }) => label)]),
        [
          ['loud: Which colour?\ncolour', ['red', 'blue']],
          ['sure', ['Yes', 'No']],
        ],
      )
      provider.reply(turn.id, event.id, [['blue'], ['Yes']])
    })
    assert.ok(textOf(events).replaceAll('\\', '').includes('{"colour":"blue","sure":true}'))
  },
  withMcp,
)

codexTest('what the model thinks is told beside its answer', async (on, provider) => {
  const events = await all(provider, on.turn('a', 'think this is hard'))
  assert.equal(textOf(events), 'thought')
  assert.ok(events.some((event) => event.type === 'thinking' && event.delta === 'this is hard'))
})

codexTest('a turn tells its own tokens and how full the model is', async (on, provider) => {
  const first = await all(provider, on.turn('a', 'say one two'))
  const next = await all(provider, on.turn('a', 'say one two three', { resume: sessionOf(first) }))
  const { contextWindow, ...usage } = endOf(next).usage ?? {}
  assert.deepEqual(usage, { inputTokens: 100, outputTokens: 3, contextTokens: 103 })
  assert.ok((contextWindow ?? 0) > 100_000)
})

codexTest(
  'model and effort are the turn’s, and without them those of the configuration again',
  async (on, provider) => {
    const first = await all(provider, on.turn('a', 'model', { model: 'gpt-5.6-luna', effort: 'high' }))
    assert.equal(textOf(first), 'model: gpt-5.6-luna')
    const resume = sessionOf(first)
    const text = async (prompt: string, more: Partial<Turn> = {}) =>
      textOf(await all(provider, on.turn('a', prompt, { resume, ...more })))
    assert.equal(await text('effort', { model: 'gpt-5.6-luna', effort: 'low' }), 'effort: low')
    assert.equal(await text('model'), 'model: gpt-5.5')
    assert.equal(await text('effort'), 'effort: medium')
  },
)

codexTest('instructions reach the model, and pictures too', async (on, provider) => {
  const picture = join(on.home, 'red.png')
  await writeFile(picture, Buffer.from(onePixel, 'base64'))
  const file = join(on.home, 'notes.pdf')
  const first = await all(
    provider,
    on.turn('a', 'pictures', {
      instructions: 'Speak like a pirate.',
      attachments: [
        { kind: 'picture', name: 'red.png', mimeType: 'image/png', path: picture },
        { kind: 'file', name: 'notes.pdf', mimeType: 'application/pdf', path: file },
      ],
    }),
  )
  const sent = JSON.stringify(on.model.calls.at(-1)?.input)
  assert.match(sent, /input_image/)
  assert.ok(sent.includes(`Attached: notes.pdf (application/pdf), ${file}`))
  assert.match(sent, /Speak like a pirate/)
  assert.equal(endOf(first).stop, 'end_turn')
})

codexTest('another folder counts from the next turn on', async (on, provider) => {
  const first = await all(provider, on.turn('a', 'say one'))
  const turn = on.turn('a', 'tool bash pwd', { cwd: on.home, resume: sessionOf(first) })
  const events = await all(provider, turn, (event) => {
    if (event.type === 'permission.requested') provider.answer(turn.id, event.id, { allow: true })
  })
  assert.ok(textOf(events).includes(`Output:\n${on.home}\n`))
})

codexTest('models come from Codex, with their efforts', async (_, provider) => {
  const { models, asOf } = await provider.models()
  assert.equal(asOf, undefined)
  // The one of the configuration, not Codex' own choice.
  assert.deepEqual(
    models.filter(({ isDefault }) => isDefault).map(({ id }) => id),
    ['gpt-5.5'],
  )
  assert.deepEqual(models.find(({ id }) => id === 'gpt-5.5')?.efforts, ['low', 'medium', 'high', 'xhigh'])
})

codexTest('sessions that were begun in a terminal are listed and go on here', async (on, provider) => {
  const { stdout } = await terminal(on, ['exec', '--json', '--skip-git-repo-check', 'say from the terminal'])
  const id = /"thread_id":"([^"]+)"/.exec(stdout)?.[1] ?? ''
  const mine = await all(provider, on.turn('a', 'say from the chat'))
  const sessions = await provider.sessions(on.cwd)
  assert.deepEqual(new Set(sessions.map(({ id: each }) => each)), new Set([id, sessionOf(mine)]))
  assert.equal(sessions.find((each) => each.id === id)?.title, 'say from the terminal')
  assert.ok(sessions.every(({ updatedAt }) => Math.abs(updatedAt - Date.now()) < 60_000))
  assert.deepEqual(await provider.sessions(on.home), [])
  assert.equal(textOf(await all(provider, on.turn('b', 'history', { resume: id }))), 'prompts: 2')
})

for (const busy of [false, true])
  codexTest(
    `a session that was let go of goes on in a terminal and comes back${busy ? ', while another one is at work' : ''}`,
    async (on, provider) => {
      const first = await all(provider, on.turn('a', 'say one'))
      const resume = sessionOf(first)
      assert.deepEqual(provider.handoff(resume), [codexBinary, 'resume', resume])
      const abort = new AbortController()
      const other = busy ? provider.run(on.turn('b', 'slow 10000'), abort.signal) : undefined
      if (other !== undefined) for await (const event of other) if (event.type === 'text') break
      // Leaving the loop ended the turn: begin another that goes on meanwhile.
      const going = busy ? all(provider, on.turn('c', 'slow 10000'), undefined, abort.signal) : undefined
      if (busy) await eventually(() => on.model.calls.length >= 3, 'the other turn')
      const held = await terminal(on, [
        'exec',
        'resume',
        '--json',
        '--skip-git-repo-check',
        resume,
        'history',
      ])
      assert.match(held.stderr, /active writer/)
      await provider.release({ key: 'a', transport: 'test', chat: 'a' }, '')
      const free = await terminal(on, [
        'exec',
        'resume',
        '--json',
        '--skip-git-repo-check',
        resume,
        'history',
      ])
      assert.match(free.stdout, /prompts: 2/)
      assert.equal(textOf(await all(provider, on.turn('a', 'history', { resume }))), 'prompts: 3')
      abort.abort()
      assert.equal(endOf((await going) ?? [{ type: 'turn.ended', stop: 'cancelled' }]).stop, 'cancelled')
    },
  )

codexTest(
  'of more conversations than stay loaded the oldest is let go of, and goes on all the same',
  async (on, provider) => {
    const first = await all(provider, on.turn('a', 'say one'))
    const resume = sessionOf(first)
    await all(provider, on.turn('b', 'say two'))
    await eventually(async () => {
      const { stdout } = await terminal(on, [
        'exec',
        'resume',
        '--json',
        '--skip-git-repo-check',
        resume,
        'history',
      ])
      return stdout.includes('prompts: 2')
    }, 'that the terminal may have it')
    assert.equal(textOf(await all(provider, on.turn('a', 'history', { resume }))), 'prompts: 3')
  },
  { maxWarm: 1 },
)

codexTest('a session that a crash left archived goes on', async (on, provider) => {
  const first = await all(provider, on.turn('a', 'say one'))
  const resume = sessionOf(first)
  await provider.close()
  await terminal(on, ['archive', resume])
  const later = on.open()
  try {
    assert.equal(textOf(await all(later, on.turn('a', 'history', { resume }))), 'prompts: 2')
  } finally {
    await later.close()
  }
})

codexTest('a session that is open in a terminal is not taken from it', async (on, provider) => {
  const first = await all(provider, on.turn('a', 'say one'))
  const resume = sessionOf(first)
  await provider.close()
  const holder = spawn(
    codexBinary,
    ['exec', 'resume', '--json', '--skip-git-repo-check', resume, 'slow 10000'],
    { cwd: on.cwd, env: on.env, stdio: 'ignore' },
  )
  try {
    await eventually(() => on.model.calls.length === 2, 'the terminal')
    const end = endOf(await all(provider, on.turn('a', 'say two', { resume })))
    assert.match(end.error ?? '', /open in another program/)
  } finally {
    holder.kill('SIGKILL')
  }
})

codexTest(
  'when the process dies every turn says so, and the next message starts another',
  async (on, provider) => {
    const turns = ['a', 'b'].map((key) => on.turn(key, 'slow 10000'))
    const ends = turns.map((turn) => all(provider, turn))
    await eventually(() => on.model.calls.length === 2, 'both turns')
    for (const pid of await on.processes()) process.kill(pid, 'SIGKILL')
    const [one, two] = await Promise.all(ends)
    for (const events of [one, two])
      assert.match(endOf(events ?? []).error ?? '', /Codex ended by SIGKILL before its answer was complete/)
    const next = on.turn('a', 'history', { resume: sessionOf(one ?? []) })
    assert.equal(textOf(await all(provider, next)), 'prompts: 2')
  },
)

codexTest(
  'a Codex whose app server does not work answers by `codex exec`, and says so',
  async (on, provider) => {
    const first = await all(provider, on.turn('a', 'say one by one'))
    assert.equal(textOf(first), 'one by one')
    assert.match(noticesOf(first).join(), /It cannot ask, so it may only read/)
    assert.deepEqual(endOf(first).usage, { inputTokens: 100, outputTokens: 3 })
    const next = await all(provider, on.turn('a', 'history', { resume: sessionOf(first) }))
    assert.equal(textOf(next), 'prompts: 2')
    for (const resume of [randomUUID(), 'no-uuid-at-all']) {
      const anew = await all(provider, on.turn('a', 'history', { resume }))
      assert.equal(textOf(anew), 'prompts: 1')
      assert.equal(noticesOf(anew).filter((notice) => notice.includes('no longer has')).length, 1)
    }
    await all(provider, on.turn('a', `tool bash touch ${on.path('made')}`))
    assert.equal(existsSync(on.path('made')), false)
    await all(
      provider,
      on.turn('a', `tool bash touch ${on.path('made')}`, { permissionMode: 'bypassPermissions' }),
    )
    assert.equal(existsSync(on.path('made')), true)
    assert.match(endOf(await all(provider, on.turn('a', 'error 401'))).error ?? '', /codex login/)
  },
  { noAppServer: true },
)

codexTest(
  'by `codex exec`, too, a vendor that cannot be reached ends the turn within the bound',
  async (on, provider) => {
    const events = await all(provider, on.turn('a', 'say hello'))
    assert.match(endOf(events).error ?? '', /could not be reached for 1 s/)
  },
  { noAppServer: true, url: 'http://127.0.0.1:9/v1', patience: { retryMs: 1000 } },
)

async function all(
  provider: CodexProvider,
  turn: Turn,
  see?: See,
  signal: AbortSignal = never(),
): Promise<readonly TurnEvent[]> {
  const events: TurnEvent[] = []
  for await (const event of provider.run(turn, signal)) {
    events.push(event)
    await see?.(event)
  }
  return events
}

/** What a person does at the keyboard, whether it ends well or not. */
async function terminal(
  on: CodexStage,
  args: readonly string[],
): Promise<{ readonly stdout: string; readonly stderr: string }> {
  const child = run(codexBinary, args, { cwd: on.cwd, env: on.env, timeout: 30_000 })
  child.child.stdin?.end()
  return await child.catch((error: unknown) => ({
    stdout: '',
    // Node puts what the program said on stderr into the message.
    stderr: error instanceof Error ? error.message : '',
  }))
}

function sessionOf(events: readonly TurnEvent[]): string {
  const event = events.findLast(({ type }) => type === 'session.started')
  assert.equal(event?.type, 'session.started')
  return event.sessionId
}

function noticesOf(events: readonly TurnEvent[]): readonly string[] {
  return events.flatMap((event) => (event.type === 'notice' ? [event.message] : []))
}

function never(): AbortSignal {
  return new AbortController().signal
}

const onePixel =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=='
