import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { mkdtempDisposable, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { textOf } from '../../../tests/contracts/provider.ts'
import { all, codexTest, sessionOf } from './codex-test.fake.ts'

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
