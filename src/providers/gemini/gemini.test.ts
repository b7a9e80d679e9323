import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { endOf, textOf } from '../../../tests/contracts/provider.ts'
import { realGemini } from '../../../tests/support/real-gemini.ts'
import type { Provider, Turn, TurnEvent } from '../../core/provider.ts'
import { geminiStage } from './gemini-stage.fake.ts'

const why = await realGemini.why()
const skip = why === undefined ? {} : { skip: why }
const never = new AbortController().signal

test('the errors of the vendor say what to do, and the next message works', skip, async () => {
  await using stage = await geminiStage()
  const provider = stage.open()
  const errors = [
    ['error 401', /Gemini is not signed in, .* scripted 401/],
    ['error 429', /The usage limit is reached. Send it again in 34s\. .* scripted 429/],
    ['error 500', /an error of its own \(500\)/],
    ['cut', /an error of its own \(500\)/],
  ] as const
  for (const [prompt, words] of errors) {
    const end = endOf(await all(provider, stage.turn('a', prompt)))
    assert.equal(end.stop, 'failed')
    assert.match(end.error ?? '', words)
  }
  assert.equal(textOf(await all(provider, stage.turn('a', 'say back'))), 'back')
})

test('a Gemini that nobody is signed in to says what to do', skip, async () => {
  await using stage = await geminiStage({ signedIn: false })
  const end = endOf(await all(stage.open(), stage.turn('a', 'say hello')))
  assert.equal(end.stop, 'failed')
  assert.match(end.error ?? '', /Gemini is not signed in, or its key is not accepted\. Run `gemini`/)
})

test('doctor learns the version and whether a key is there', skip, async () => {
  await using stage = await geminiStage()
  const health = await stage.open().check?.(never)
  assert.deepEqual(health, { installed: true, version: '0.61.0', signedIn: true })
  await using signedOut = await geminiStage({ signedIn: false })
  assert.equal((await signedOut.open().check?.(never))?.signedIn, false)
})

test('thoughts, tokens and models come from Gemini', skip, async () => {
  await using stage = await geminiStage()
  const provider = stage.open()
  const events = await all(provider, stage.turn('a', 'think hmm | answer'))
  assert.ok(events.some((event) => event.type === 'thinking' && event.delta?.includes('hmm') === true))
  assert.equal(textOf(events), 'answer')
  assert.equal(endOf(events).usage?.inputTokens, 100)
  const { models = [] } = (await provider.models?.(never)) ?? {}
  assert.ok(models.some(({ id }) => id === 'gemini-2.5-flash' || id === 'gemini-2.5-pro'))
  const chosen = await all(provider, stage.turn('b', 'model', { model: 'gemini-2.5-pro' }))
  assert.equal(textOf(chosen), 'model: gemini-2.5-pro')
})

test('a change of a file is shown before it is allowed; edits are done where they may be', skip, async () => {
  await using stage = await geminiStage()
  const provider = stage.open()
  const path = stage.path('a.txt')
  const turn = stage.turn('a', `write ${path} hello`)
  const events = []
  for await (const event of provider.run(turn, never)) {
    events.push(event)
    if (event.type === 'permission.requested') provider.answer?.(turn.id, event.id, { allow: false })
  }
  const asked = events.find((event) => event.type === 'permission.requested')
  assert.equal(asked?.title, 'Change a file')
  assert.match(asked?.detail ?? '', /a\.txt[\s\S]*^\+hello$/m)
  const edits = await all(provider, stage.turn('a', `write ${path} hello`, { permissionMode: 'acceptEdits' }))
  assert.deepEqual(
    edits.filter(({ type }) => type === 'permission.requested'),
    [],
  )
  assert.equal(edits.findLast((event) => event.type === 'tool')?.status, 'completed')
})

test('a session survives being taken up again and again', skip, async () => {
  await using stage = await geminiStage()
  const first = await all(stage.open(), stage.turn('a', 'say one'))
  const resume = first.find((event) => event.type === 'session.started')?.sessionId ?? ''
  for (const prompts of [2, 3, 4]) {
    const provider = stage.open()
    const events = await all(provider, stage.turn('a', 'history', { resume }))
    assert.equal(textOf(events), `prompts: ${prompts}`)
    assert.deepEqual(
      events.filter(({ type }) => type === 'notice'),
      [],
    )
    await provider.close?.()
  }
  const provider = stage.open()
  const found = (await provider.sessions?.(stage.cwd, never)) ?? []
  assert.deepEqual(
    found.map(({ id, title }) => ({ id, title })),
    [{ id: resume, title: 'say one' }],
  )
  assert.deepEqual(provider.handoff?.(resume, stage.cwd).slice(-2), ['--resume', resume])
})

test('where Gemini does not begin to speak the protocol, a turn runs by itself', skip, async () => {
  await using stage = await geminiStage()
  const program = join(stage.home, 'old-gemini.mjs')
  await writeFile(
    program,
    `if (process.argv.includes('--acp')) { console.error('Unknown argument: acp'); process.exit(1) }
     await import(${JSON.stringify(realGemini.command[1])})`,
  )
  const provider = stage.open({ command: [process.execPath, program] })
  const events = await all(provider, stage.turn('a', 'say hello there'))
  assert.equal(textOf(events), 'hello there')
  assert.equal(endOf(events).stop, 'end_turn')
  assert.match(events.find((event) => event.type === 'notice')?.message ?? '', /runs by itself/)
  const failed = endOf(await all(provider, stage.turn('a', 'error 401')))
  assert.equal(failed.stop, 'failed')
  assert.match(failed.error ?? '', /Gemini/)
  assert.deepEqual(await stage.processes(), [])
})

function all(provider: Provider, turn: Turn): Promise<readonly TurnEvent[]> {
  return Array.fromAsync(provider.run(turn, never))
}
