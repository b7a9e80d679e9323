import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import type { TurnEvent } from '../../core/provider.ts'
import { textOf } from '../../../tests/contracts/provider.ts'
import { AcpDecoder } from '../acp-decode.ts'
import { refusalSentence } from '../acp-failure.ts'
import { requestEvent } from '../acp-permission.ts'
import { readNotification, readPermissionRequest } from '../acp-wire.ts'

interface Line {
  /** Milliseconds. */
  readonly t: number
  readonly method: string
  readonly params: unknown
}

test('Gemini: a tool begins with its request, for no call is told before', () => {
  const { events } = read('gemini-shell')
  assert.deepEqual(toolsOf(events), [
    ['touch /home/person/appr-allow_once.txt', 'in_progress'],
    ['touch /home/person/appr-allow_once.txt', 'completed'],
  ])
  assert.match(textOf(events), /^running it \n/)
})

test('opencode: a tool gets its title when its command is known', () => {
  const { events } = read('opencode-shell')
  assert.deepEqual(toolsOf(events), [
    ['bash', 'in_progress'],
    ['touch /home/person/appr-allow_once.txt', 'in_progress'],
    ['touch /home/person/appr-allow_once.txt', 'completed'],
  ])
})

test('a request shows the exact command, or the change of the file', async () => {
  const command = { detail: 'touch /home/person/appr-allow_once.txt', title: 'Run a command', language: 'sh' }
  const change = { title: 'Change a file', language: 'diff' }
  for (const [name, wanted] of [
    ['gemini-shell', command],
    ['opencode-shell', command],
    ['gemini-write', change],
    ['opencode-write', change],
  ] as const) {
    const [asked] = read(name).asked
    assert.ok(asked !== undefined)
    const event = await requestEvent('1', asked.tool, asked.options, '/home/person')
    assert.partialDeepStrictEqual(event, { ...wanted, rememberable: true })
    if (wanted === change)
      assert.match(event.detail, /--- \/dev\/null\n\+\+\+ \/home\/person\/appr-w\.txt\n[^]*^\+hello$/m)
  }
})

test('a change of a large file into quite another one is told as one going and one coming, and holds nothing up', async () => {
  const lines = (word: string) => Array.from({ length: 20_000 }, (_, n) => `${word}${n}`).join('\n')
  const diff = { type: 'diff', path: '/a', oldText: lines('old'), newText: lines('n') } as const
  const event = await requestEvent('1', { toolCallId: 't', content: [diff] }, [], '/')
  // Compared line by line, which takes minutes, it would have a line with @@.
  assert.match(event.detail, /^--- \/a\n\+\+\+ \/a\n-old0\n-old1\n/)
})

test('a command in another folder than the conversation’s says so', async () => {
  const tool = {
    toolCallId: '1',
    title: 'ls',
    kind: 'execute',
    status: undefined,
    content: undefined,
    locations: undefined,
    rawInput: { command: 'ls', cwd: '/elsewhere' },
  }
  assert.equal((await requestEvent('1', tool, [], '/home/person')).detail, '# in /elsewhere\nls')
  const [asked] = read('gemini-shell').asked
  assert.ok(asked !== undefined)
  assert.match(
    (await requestEvent('1', asked.tool, asked.options, '/other')).detail,
    /^# \[current working directory \/home\/person\] .*\ntouch /,
  )
})

test('opencode: what is told again after a broken stream is one text', () => {
  assert.equal(textOf(read('opencode-retold').events), 'm1 m2 m3 ')
})

test('a message that begins like itself after a pause, and goes another way, loses nothing', () => {
  let now = 0
  const decoder = new AcpDecoder(() => now)
  const events: TurnEvent[] = []
  for (const [pause, text] of [
    [0, 'No. Let me see.'],
    [5000, 'No'],
    [10, ', it is not.'],
  ] as const) {
    now += pause
    const content = { type: 'text' as const, text }
    events.push(...decoder.read({ sessionUpdate: 'agent_message_chunk', messageId: 'm', content }))
  }
  assert.equal(textOf([...events, ...decoder.flush()]), 'No. Let me see.No, it is not.')
})

test('a second telling that goes another way takes the place of the first', () => {
  let now = 0
  const decoder = new AcpDecoder(() => now)
  const say = (text: string) =>
    decoder.read({ sessionUpdate: 'agent_message_chunk', messageId: 'm', content: { type: 'text', text } })
  const events = [...say('The answer to your question is f')]
  now += 2000
  events.push(...say('The answer to '), ...say('your question is twelve.'))
  assert.equal(textOf([...events, ...decoder.flush()]), 'The answer to your question is twelve.')
})

test('an update of an unknown kind, or without sense, is nothing', () => {
  for (const update of [
    { sessionUpdate: 'weather', rain: true },
    { sessionUpdate: 'plan', entries: 3 },
    'no',
    null,
  ])
    assert.equal(readNotification({ sessionId: 's', update })?.update, undefined)
  assert.equal(readNotification('no'), undefined)
  assert.equal(readPermissionRequest({ sessionId: 's', options: [] }), undefined)
})

test('a tool is read though half of it makes no sense', () => {
  const told = readNotification({
    sessionId: 's',
    update: {
      sessionUpdate: 'tool_call',
      toolCallId: 't',
      title: 'ls',
      status: 7,
      rawInput: 'x',
      locations: {},
    },
  })
  assert.deepEqual(told?.update && new AcpDecoder().read(told.update), [
    { type: 'tool', id: 't', title: 'ls', status: 'in_progress' },
  ])
})

const named = { name: 'Gemini', signIn: 'Sign in.' }
for (const [what, refusal, words] of [
  [
    'Google’s JSON inside the words',
    {
      code: 429,
      message: '{"error":{"code":429,"message":"too \\"much\\"","details":[{"retryDelay":"34s"}]}}',
    },
    'The usage limit is reached. Send it again in 34s. Gemini says: too "much"',
  ],
  [
    'a limit without its end',
    { code: 429, message: 'slow down' },
    'The usage limit is reached. Wait a while, then send it again. Gemini says: slow down',
  ],
  [
    'a limit with its end in words',
    { code: -32_603, message: 'Error 429: quota exhausted, resets in 3h 12m' },
    'The usage limit is reached. Send it again in 3h 12m. Gemini says: Error 429: quota exhausted, resets in 3h 12m',
  ],
  [
    'a key that is not accepted, without a number',
    { code: -32_603, message: 'Internal error: Incorrect API key provided' },
    'Gemini is not signed in, or its key is not accepted. Sign in. Gemini says: Internal error: Incorrect API key provided',
  ],
  [
    'details beside empty words',
    { code: -32_603, message: 'Internal error', data: { details: 'No previous sessions.' } },
    'Gemini could not do it. Gemini says: No previous sessions.',
  ],
  ['no words at all', { code: -32_603, message: '' }, 'Gemini could not do it and did not say why.'],
] as const)
  test(`a failure is a sentence: ${what}`, () => {
    assert.equal(refusalSentence(named, { how: 'error', ...refusal }), words)
  })

/** What the decoder makes of a recorded run, and what was asked in it. */
function read(name: string) {
  const text = readFileSync(new URL(`recorded/${name}.jsonl`, import.meta.url), 'utf8')
  const lines: readonly Line[] = text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
  let now = 0
  const decoder = new AcpDecoder(() => now)
  const asked = []
  const events: TurnEvent[] = []
  for (const { t, params } of lines) {
    now = t
    const request = readPermissionRequest(params)
    const update = readNotification(params)?.update
    if (update !== undefined) events.push(...decoder.read(update))
    if (request === undefined) continue
    events.push(...decoder.tool(request.toolCall))
    asked.push({ tool: decoder.merge(request.toolCall), options: request.options })
  }
  return { events: [...events, ...decoder.flush()], asked }
}

function toolsOf(events: readonly TurnEvent[]) {
  return events.flatMap((event) => (event.type === 'tool' ? [[event.title, event.status]] : []))
}
