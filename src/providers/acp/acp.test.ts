import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { InMemoryStore } from '../../../tests/contracts/in-memory.ts'
import { endOf, textOf } from '../../../tests/contracts/provider.ts'
import { eventually } from '../../../tests/support/eventually.ts'
import { silentLog } from '../../../tests/support/stage.ts'
import type { PermissionAnswer, Provider, Turn, TurnEvent } from '../../core/provider.ts'
import { fakeStage } from './fake-stage.fake.ts'
import acp from './index.ts'

const never = new AbortController().signal
type Stage = Awaited<ReturnType<typeof fakeStage>>

test('model, effort and mode are set for a turn, and go back to what they were', async () => {
  await using stage = await fakeStage()
  const provider = stage.open()
  const wanted = { model: 'large', effort: 'high', permissionMode: 'acceptEdits' } as const
  const first = await all(provider, stage.turn('a', 'settings', wanted))
  // Without a word of the change of mode, which this agent tells as if the model had said it.
  assert.equal(textOf(first), 'large acceptEdits high')
  const second = await all(provider, stage.turn('a', 'settings', { resume: sessionOf(first) }))
  assert.match(textOf(second), /^small default/)
})

test('a model that the agent does not take fails the turn with its name', async () => {
  await using stage = await fakeStage()
  const end = endOf(await all(stage.open(), stage.turn('a', 'say hello', { model: 'nonsense' })))
  assert.equal(end.stop, 'failed')
  assert.match(end.error ?? '', /fake does not take the model “nonsense”/)
})

test('the models come from the agent, the efforts with the model that has them', async () => {
  await using stage = await fakeStage()
  const provider = stage.open()
  assert.deepEqual(await provider.models?.(never), {
    models: [
      { id: 'small', name: 'small', efforts: [], isDefault: true },
      { id: 'large', name: 'large', efforts: [] },
    ],
  })
  await all(provider, stage.turn('a', 'settings', { model: 'large' }))
  const later = await provider.models?.(never)
  assert.deepEqual(later?.models.at(-1)?.efforts, ['low', 'high'])
  assert.equal(later?.models.find(({ isDefault }) => isDefault)?.id, 'small')
})

for (const without of [[], ['resume'], ['resume', 'close']])
  test(`a session that goes on in another chat has the tools of that chat${without.length === 0 ? '' : `, without ${without.join(' and ')}`}`, async () => {
    await using stage = await fakeStage({ without })
    const provider = stage.open()
    const toolsOf = (token: string) => {
      const program = { command: ['true'] as const, env: { TOKEN: token } }
      return { name: 'ductor', url: 'http://127.0.0.1:1', token, program }
    }
    const first = await all(provider, stage.turn('a', 'servers', { tools: toolsOf('of-a') }))
    assert.match(textOf(first), /of-a/)
    const resume = sessionOf(first)
    const second = await all(provider, stage.turn('b', 'servers', { resume, tools: toolsOf('of-b') }))
    assert.match(textOf(second), /of-b/)
    assert.equal(sessionOf(second), resume)
    const third = await all(provider, stage.turn('a', 'servers', { resume, tools: toolsOf('of-a') }))
    assert.match(textOf(third), /of-a/)
  })

test('sessions are those of the folder, newest first', async () => {
  await using stage = await fakeStage()
  const provider = stage.open()
  const other = stage.path('other')
  await mkdir(other)
  await all(provider, stage.turn('a', 'say one'))
  await all(provider, stage.turn('b', 'say elsewhere', { cwd: other }))
  await all(provider, stage.turn('c', 'say two'))
  const found = (await provider.sessions?.(stage.cwd, never)) ?? []
  assert.deepEqual(
    found.map(({ title }) => title),
    ['say two', 'say one'],
  )
  assert.ok(found.every(({ updatedAt }) => Math.abs(updatedAt - Date.now()) < 60_000))
})

test('a loaded session does not tell its history again', async () => {
  await using stage = await fakeStage({ without: ['resume'] })
  const first = await all(stage.open(), stage.turn('a', 'say one'))
  const later = stage.open()
  const events = await all(later, stage.turn('a', 'history', { resume: sessionOf(first) }))
  assert.equal(textOf(events), 'prompts: 2')
})

test('an agent that can take up nothing begins anew, with a notice', async () => {
  await using stage = await fakeStage({ without: ['resume', 'load'] })
  const first = await all(stage.open(), stage.turn('a', 'say one'))
  const events = await all(stage.open(), stage.turn('a', 'history', { resume: sessionOf(first) }))
  assert.equal(textOf(events), 'prompts: 1')
  assert.match(noticesOf(events).join(), /this is the start of a new one/)
})

test('instructions stand before the first prompt of a session, and not before the second', async () => {
  await using stage = await fakeStage()
  const provider = stage.open()
  const instructions = 'Be kind.'
  const first = await all(provider, stage.turn('a', 'texts', { instructions }))
  assert.equal(textOf(first), 'Be kind.')
  const second = await all(provider, stage.turn('a', 'blocks', { instructions, resume: sessionOf(first) }))
  assert.equal(textOf(second), 'text')
})

test('a file is named to the agent, and a picture too where it takes none', async () => {
  await using stage = await fakeStage({ without: ['pictures'] })
  const attachments = [
    { kind: 'file', name: 'a.pdf', mimeType: 'application/pdf', path: '/tmp/a.pdf', size: 3 },
    { kind: 'picture', name: 'b.png', mimeType: 'image/png', path: '/tmp/b.png' },
  ] as const
  const events = await all(stage.open(), stage.turn('a', 'blocks', { attachments }))
  assert.equal(textOf(events), 'resource_link resource_link text')
})

test('a picture goes along as what it is, whatever it is called, and what is none goes as a file', async () => {
  await using stage = await fakeStage()
  const gif = Buffer.from('R0lGODlhAQABAAAAACwAAAAAAQABAAACAkQBADs=', 'base64')
  const attachments = await Promise.all(
    [gif, Buffer.from('words'), Buffer.from('<svg/>')].map(async (bytes, index) => {
      const path = join(stage.home, `${index}.png`)
      await writeFile(path, bytes)
      const mimeType = index === 2 ? 'image/svg+xml' : 'image/png'
      return { kind: 'picture', name: `${index}.png`, mimeType, path } as const
    }),
  )
  const events = await all(stage.open(), stage.turn('a', 'blocks', { attachments }))
  assert.equal(textOf(events), 'image/gif resource_link resource_link text')
})

test('a request to change a file shows the change', async () => {
  await using stage = await fakeStage()
  const { asked } = await answering(stage, 'write /tmp/some.txt', { allow: true })
  assert.equal(asked[0]?.title, 'Change a file')
  assert.equal(asked[0]?.language, 'diff')
  assert.match(asked[0]?.detail ?? '', /some\.txt[\s\S]*^ one\n-two\n\+three$/m)
})

test('what is allowed for the session is not asked again, and never allowed for ever', async () => {
  await using stage = await fakeStage()
  const provider = stage.open()
  const first = await answering(stage, 'tool true', { allow: true, remember: true }, provider)
  assert.equal(first.asked[0]?.rememberable, true)
  const resume = sessionOf(first.events)
  const second = await answering(stage, 'tool true', { allow: false }, provider, { resume })
  assert.equal(second.asked.length, 0)
  assert.equal(chosen(stage), 'session')
})

test('an agent that only knows for ever is not given that', async () => {
  await using stage = await fakeStage({ without: ['session', 'once'] })
  const { asked } = await answering(stage, 'tool true', { allow: true, remember: true })
  assert.equal(asked[0]?.rememberable, false)
  assert.equal(chosen(stage), 'cancelled')
})

test('a no is a no where the agent has no option for it', async () => {
  await using stage = await fakeStage({ without: ['no'] })
  await answering(stage, 'tool true', { allow: false })
  assert.equal(chosen(stage), 'cancelled')
})

test('a reason for a no cannot be told to the agent, and the chat is told that', async () => {
  await using stage = await fakeStage()
  const { events } = await answering(stage, 'tool true', { allow: false, reason: 'not today' })
  assert.deepEqual(noticesOf(events), ['fake is told the no, but cannot be told why; say it in a message.'])
  assert.equal(chosen(stage), 'no')
})

test('a request of a turn that only reads is refused without a question', async () => {
  await using stage = await fakeStage()
  const { asked, events } = await answering(stage, 'tool true', { allow: true }, undefined, {
    permissionMode: 'readOnly',
  })
  assert.deepEqual(asked, [])
  assert.equal(chosen(stage), 'no')
  assert.equal(events.findLast((event) => event.type === 'tool')?.status, 'failed')
})

test('an agent without modes is not asked about for a turn that bypasses permissions', async () => {
  await using stage = await fakeStage({ without: ['modes'] })
  const more = { permissionMode: 'bypassPermissions' } as const
  const { asked } = await answering(stage, 'tool true', { allow: false }, undefined, more)
  assert.deepEqual(asked, [])
  assert.equal(chosen(stage), 'once')
})

test('an agent without a mode for plans says so once', async () => {
  await using stage = await fakeStage({ without: ['modes'] })
  const provider = stage.open()
  const first = await all(provider, stage.turn('a', 'say one', { permissionMode: 'plan' }))
  assert.match(noticesOf(first).join(), /fake has no mode for plans/)
  const more = { permissionMode: 'plan', resume: sessionOf(first) } as const
  assert.deepEqual(noticesOf(await all(provider, stage.turn('a', 'say two', more))), [])
})

test('a request that was not answered is withdrawn when the turn is stopped', async () => {
  await using stage = await fakeStage()
  const provider = stage.open()
  const abort = new AbortController()
  const turn = stage.turn('a', 'tool true')
  const events: TurnEvent[] = []
  for await (const event of provider.run(turn, abort.signal)) {
    events.push(event)
    if (event.type === 'permission.requested') abort.abort()
  }
  const asked = events.find((event) => event.type === 'permission.requested')
  const withdrawn = events.find((event) => event.type === 'permission.withdrawn')
  assert.equal(withdrawn?.id, asked?.id)
  assert.equal(provider.answer?.(turn.id, asked?.id ?? '', { allow: true }), false)
  assert.equal(endOf(events).stop, 'cancelled')
  assert.equal(chosen(stage), 'cancelled')
})

test('a plan, what the session takes and what the turn cost reach the chat', async () => {
  await using stage = await fakeStage()
  const provider = stage.open()
  const plan = await all(provider, stage.turn('a', 'plan look, do'))
  assert.deepEqual(
    plan.find((event) => event.type === 'plan')?.entries.map(({ text }) => text),
    ['look', 'do'],
  )
  const resume = sessionOf(plan)
  const first = endOf(await all(provider, stage.turn('a', 'spend 0.5', { resume })))
  assert.deepEqual(first.usage, { contextTokens: 1000, contextWindow: 200_000, costUsd: 0.5 })
  // The agent counts the dollars of the whole session.
  assert.equal(endOf(await all(provider, stage.turn('a', 'spend 0.75', { resume }))).usage?.costUsd, 0.25)
})

test('a request that is unknown here is refused as such', async () => {
  await using stage = await fakeStage()
  assert.equal(textOf(await all(stage.open(), stage.turn('a', 'read'))), 'refused with -32601')
})

for (const [prompt, stop, words] of [
  ['error 401', 'failed', /fake is not signed in, .* Run `fake login`\. fake says: scripted 401/],
  ['error 429', 'failed', /The usage limit is reached/],
  ['error 500', 'failed', /an error of its own \(500\)/],
  ['stop refusal', 'refusal', /^$/],
  ['stop max_tokens', 'limit', /too long for the model/],
] as const)
  test(`a turn that ends with “${prompt}” says so`, async () => {
    await using stage = await fakeStage()
    const end = endOf(await all(stage.open(), stage.turn('a', prompt)))
    assert.equal(end.stop, stop)
    assert.match(end.error ?? '', words)
  })

test('an agent that nobody is signed in to says what to do', async () => {
  await using stage = await fakeStage({ without: ['login'] })
  const end = endOf(await all(stage.open(), stage.turn('a', 'say hello')))
  assert.match(end.error ?? '', /fake is not signed in, .* Run `fake login`\./)
})

test('doctor learns the version from the agent itself', async () => {
  await using stage = await fakeStage()
  assert.deepEqual(await stage.open().check?.(never), { installed: true, version: '1.2.3' })
})

test('doctor says why an agent cannot be run', async () => {
  await using stage = await fakeStage({ command: ['/nowhere/agent'] })
  const health = await stage.open().check?.(never)
  assert.equal(health?.installed, false)
  assert.match(health?.mend ?? '', /\/nowhere\/agent was not found/)
})

test('a process that nobody talks to is ended, and the next turn goes on with the session', async () => {
  await using stage = await fakeStage({ idleMs: 100 })
  const provider = stage.open()
  const first = await all(provider, stage.turn('a', 'say one'))
  await eventually(async () => (await stage.processes()).length === 0, 'no process')
  const next = await all(provider, stage.turn('a', 'history', { resume: sessionOf(first) }))
  assert.equal(textOf(next), 'prompts: 2')
})

test('a reader that leaves in the middle of a turn stops it', async () => {
  await using stage = await fakeStage()
  const provider = stage.open()
  for await (const event of provider.run(stage.turn('a', 'slow 10000'), never))
    if (event.type === 'text') break
  assert.equal(textOf(await all(provider, stage.turn('b', 'say free'))), 'free')
})

test('two conversations cannot use one session at once', async () => {
  await using stage = await fakeStage()
  const provider = stage.open()
  const resume = sessionOf(await all(provider, stage.turn('a', 'say one')))
  const abort = new AbortController()
  for await (const event of provider.run(stage.turn('a', 'slow 10000', { resume }), abort.signal)) {
    if (event.type !== 'text') continue
    const end = endOf(await all(provider, stage.turn('b', 'say two', { resume })))
    assert.match(end.error ?? '', /Another conversation uses this session/)
    abort.abort()
  }
})

test('an agent of an unknown name has no command for a terminal', async () => {
  await using stage = await fakeStage()
  assert.equal(typeof stage.open().handoff, 'undefined')
})

/** A turn, with each request answered alike. */
async function answering(
  stage: Stage,
  prompt: string,
  answer: PermissionAnswer,
  provider: Provider = stage.open(),
  more: Partial<Turn> = {},
) {
  const turn = stage.turn('a', prompt, more)
  const events: TurnEvent[] = []
  for await (const event of provider.run(turn, never)) {
    events.push(event)
    if (event.type === 'permission.requested')
      assert.equal(provider.answer?.(turn.id, event.id, answer), true)
  }
  return { events, asked: events.filter((event) => event.type === 'permission.requested') }
}

function all(provider: Provider, turn: Turn): Promise<readonly TurnEvent[]> {
  return Array.fromAsync(provider.run(turn, never))
}

function noticesOf(events: readonly TurnEvent[]): readonly string[] {
  return events.flatMap((event) => (event.type === 'notice' ? [event.message] : []))
}

function sessionOf(events: readonly TurnEvent[]): string {
  return events.find((event) => event.type === 'session.started')?.sessionId ?? ''
}

/** The option that the agent was answered with last. */
function chosen(stage: Stage): string | undefined {
  return readFileSync(`${stage.home}/chosen.txt`, 'utf8').trim().split('\n').at(-1)
}

test('a form of several fields is as many questions, and is answered field by field', async () => {
  await using stage = await fakeStage()
  const provider = stage.open()
  const turn = stage.turn('a', 'form')
  const events: TurnEvent[] = []
  for await (const event of provider.run(turn, never)) {
    events.push(event)
    if (event.type !== 'question.asked') continue
    assert.deepEqual(event.questions, [
      { text: 'Some things\nColour', options: [{ label: 'Red' }, { label: 'Blue' }], multiple: false },
      { text: 'Sizes', options: [{ label: 's' }, { label: 'm' }], multiple: true },
      { text: 'How many', options: [], multiple: false },
      { text: 'Sure?', options: [{ label: 'Yes' }, { label: 'No' }], multiple: false },
    ])
    assert.equal(provider.reply?.(turn.id, event.id, [['Blue'], ['s', 'm'], ['3'], ['Yes']]), true)
  }
  assert.deepEqual(JSON.parse(textOf(events)), {
    action: 'accept',
    content: { colour: '#00f', sizes: ['s', 'm'], count: 3, sure: true },
  })
})

test('a block of the configuration opens the agent that it describes', async () => {
  await using stage = await fakeStage()
  const command = [process.execPath, join(import.meta.dirname, 'acp-agent.fake.ts'), stage.home]
  const settings = acp.config.parse({ protocol: 'acp', command, env: { SOME: 'thing' } })
  const deps = {
    home: stage.home,
    log: silentLog,
    memory: new InMemoryStore(),
    env: { PATH: '/usr/bin:/bin' },
  }
  const crow = acp.called?.('crow')
  const provider = await crow?.open(settings, deps)
  try {
    assert.ok(provider !== undefined)
    assert.equal(textOf(await all(provider, stage.turn('a', 'say hello'))), 'hello')
    const end = endOf(await all(provider, stage.turn('a', 'error 401')))
    assert.match(end.error ?? '', /^crow is not signed in/)
  } finally {
    await provider?.close?.()
  }
})
