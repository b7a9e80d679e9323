import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { textOf } from '../../../tests/contracts/provider.ts'
import type { TurnEvent } from '../../core/provider.ts'
import { askOf } from './asks.ts'
import { TurnDecoder, type Heard } from './decode.ts'
import { errorEnding } from './failure.ts'
import { Limits } from './limits.ts'
import { OneShotReader } from './one-shot.ts'
import { innerCommand } from './shell-words.ts'
import { parseLine, parseNotification } from './wire.ts'

test('a message put into a turn takes back the answer that was being written, in mid-text alone', async () => {
  const turns = await replay('app-steer')
  assert.deepEqual(
    turns.map(({ heard }) => heard.filter(({ type }) => type === 'text.reset').length),
    [1, 0, 1],
  )
  assert.equal(textOf(eventsOf(turns[0])), 'steered')
  assert.equal(textOf(eventsOf(turns[1])), 'step 1 \nsteered in tool')
  const tools = turns[1]?.heard.filter((each) => each.type === 'tool') ?? []
  assert.deepEqual(
    tools.map(({ title, status }) => [title, status]),
    [
      [`Run: perl -e 'sleep 2'`, 'in_progress'],
      [`Run: perl -e 'sleep 2'`, 'completed'],
    ],
  )
})

test('each turn counts its own tokens', async () => {
  const [, second] = await replay('app-steer')
  assert.deepEqual(second?.decoder.usage, {
    inputTokens: 200,
    outputTokens: 7,
    contextTokens: 104,
    contextWindow: 258_400,
  })
})

test('a conversation that was summed up is told once', async () => {
  const notices = (await replay('app-compact')).flatMap(({ heard }) =>
    heard.filter(({ type }) => type === 'notice'),
  )
  assert.equal(notices.length, 1)
})

test('errors end their turn with what to do', async () => {
  const ends = (await replay('app-errors')).flatMap(({ heard }) =>
    heard.filter((each) => each.type === 'ended'),
  )
  const words = ends.map(({ status, error }) =>
    status === 'completed' ? 'fine' : errorEnding(error, undefined).error,
  )
  assert.match(words[0] ?? '', /Codex could not do it\. Codex says: .*Mock error 400/)
  assert.match(words[1] ?? '', /codex login/)
  assert.match(words[2] ?? '', /too long for the model/)
  assert.deepEqual(words.slice(3), ['fine', 'fine'])
})

test('a change of files is asked for with the diff that came before', async () => {
  const [turn] = await replay('app-approve', 'item/fileChange/requestApproval')
  assert.equal(turn?.asked?.kind, 'permission')
  assert.equal(
    turn.asked.event.type === 'permission.requested' ? turn.asked.event.detail : '',
    '--- /dev/null\n+++ /home/person/work/codex/appr-patch.txt\n+hello',
  )
})

test('a one-shot run tells tools, thoughts and answers', async () => {
  const [parallel, patch, think] = await Promise.all(
    ['parallel', 'write-patch', 'think'].map((name) => oneShot(name)),
  )
  const tools = parallel?.events.filter((each) => each.type === 'tool') ?? []
  assert.deepEqual(
    tools.map(({ title, status }) => `${title} ${status}`),
    ['Run: echo b in_progress', 'Run: echo b completed', 'Run: echo a in_progress', 'Run: echo a completed'],
  )
  assert.match(JSON.stringify(patch?.events), /Change: \/home\/person\/work\/codex\/patched\.txt/)
  assert.deepEqual(
    think?.events.map(({ type }) => type),
    ['session.started', 'thinking', 'text'],
  )
  assert.deepEqual(think?.reader.ending, {
    type: 'turn.ended',
    stop: 'end_turn',
    usage: { inputTokens: 100, outputTokens: 3 },
  })
})

test('a one-shot run that silently begins anew is found out by the id of its session', async () => {
  const { events, reader } = await oneShot('resume-nonsense', 'nonsense')
  assert.equal(reader.ending, 'gone')
  assert.deepEqual(events, [])
})

test('a one-shot run that waits for a network says so once, and one that is too long says what to do', async () => {
  const refused = await oneShot('err-refused')
  assert.equal(refused.events.filter(({ type }) => type === 'notice').length, 1)
  const { ending } = (await oneShot('err-toolong')).reader
  assert.ok(ending !== undefined && ending !== 'gone')
  assert.equal(ending.stop, 'limit')
})

for (const [told, inner] of [
  [`/bin/bash -lc 'touch a'`, 'touch a'],
  ['/bin/zsh -c pwd', 'pwd'],
  [`/bin/bash -lc "echo 'it is' \\"x "'$HOME" > b'`, `echo 'it is' "x $HOME" > b`],
  [`/bin/bash -lc "printf '%s' \\"a'b\\\\\\"c\\" | tee z"`, `printf '%s' "a'b\\"c" | tee z`],
  [`/bin/bash -lc "touch '"'$x'"' \\\\"'$y !z'`, `touch '$x' \\$y !z`],
  // What is not certain stays as it is.
  ['/bin/bash -lc $(echo rm)', '/bin/bash -lc $(echo rm)'],
  [`/bin/bash -lc 'touch a' b`, `/bin/bash -lc 'touch a' b`],
  [`/bin/bash -lc 'touch`, `/bin/bash -lc 'touch`],
  [`python3 -c 'print(1)'`, `python3 -c 'print(1)'`],
] as const)
  test(`the command in ${told} is ${inner}`, () => {
    assert.equal(innerCommand(told), inner)
  })

test('a command says which folder it runs in where that is another one, and why it is asked for', () => {
  const around = { cwd: '/here', mode: 'ask' as const, diff: () => undefined }
  const ask = askOf(
    'item/commandExecution/requestApproval',
    { command: `/bin/sh -c 'make'`, cwd: '/there', reason: 'to build it' },
    around,
  )
  assert.equal(
    ask?.event.type === 'permission.requested' ? ask.event.detail : '',
    'make\n# in /there\n# to build it',
  )
})

test('a permission to reach further is given for the turn, for the session, or not at all', () => {
  const permissions = { network: { enabled: true } }
  const ask = askOf(
    'item/permissions/requestApproval',
    { cwd: '/here', permissions },
    { cwd: '/here', mode: 'ask', diff: () => undefined },
  )
  assert.ok(ask?.kind === 'permission')
  assert.deepEqual(ask.result({ allow: true }), { permissions, scope: 'turn' })
  assert.deepEqual(ask.result({ allow: true, remember: true }), { permissions, scope: 'session' })
  assert.deepEqual(ask.result({ allow: false, remember: true }), { permissions: {}, scope: 'turn' })
})

test('a limit that is nearly reached is told once for each of its windows', () => {
  const limits = new Limits()
  const at = (usedPercent: number, resetsAt: number) => ({
    primary: { usedPercent, resetsAt, windowDurationMins: 300 },
  })
  assert.equal(limits.update(at(50, 3600), 0), undefined)
  assert.equal(
    limits.update(at(91, 3600), 0),
    '91 % of the usage limit are used. It is reset in 1 h, at 1970-01-01 01:00 UTC.',
  )
  assert.equal(limits.update(at(95, 3602), 1_000_000), undefined)
  assert.match(limits.update(at(92, 7200), 3_700_000) ?? '', /92 %/)
  assert.match(limits.resets(3_700_000) ?? '', /in 58 min/)
})

interface Replayed {
  readonly decoder: TurnDecoder
  readonly heard: Heard[]
  asked?: ReturnType<typeof askOf>
}

/** A recorded conversation, turn by turn. */
async function replay(name: string, asking?: string): Promise<readonly Replayed[]> {
  const turns: Replayed[] = []
  for (const line of await linesOf(name)) {
    const message = parseLine(line)
    if (message?.kind === 'request' && message.method === asking) {
      const last = turns.at(-1)
      if (last !== undefined)
        last.asked = askOf(message.method, message.params, {
          cwd: '/home/person/work/codex',
          mode: 'ask',
          diff: (id) => last.decoder.diff(id),
        })
    }
    if (message?.kind !== 'notification') continue
    const notification = parseNotification(message.method, message.params)
    assert.ok(notification !== undefined, message.method)
    if (notification.method === 'turn/started' || turns.length === 0)
      turns.push({ decoder: new TurnDecoder(), heard: [] })
    const turn = turns.at(-1)
    turn?.heard.push(...turn.decoder.decode(notification))
  }
  return turns
}

async function oneShot(name: string, resume?: string) {
  const reader = new OneShotReader(resume)
  const events: TurnEvent[] = []
  for (const line of await linesOf(`exec-${name}`)) {
    if (reader.ending !== undefined) break
    events.push(...reader.read(line))
  }
  return { reader, events }
}

async function linesOf(name: string): Promise<readonly string[]> {
  const text = await readFile(new URL(`recorded/${name}.jsonl`, import.meta.url), 'utf8')
  return text.split('\n').filter((line) => line !== '')
}

function eventsOf(turn: Replayed | undefined): readonly TurnEvent[] {
  return (turn?.heard ?? []).flatMap((each) => (each.type === 'retry' || each.type === 'ended' ? [] : [each]))
}
