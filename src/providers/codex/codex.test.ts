import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { endOf, textOf } from '../../../tests/contracts/provider.ts'
import { eventually } from '../../../tests/support/eventually.ts'
import type { Turn } from '../../core/provider.ts'
import { treeOf } from '../kill-tree.ts'
import { all, codexTest, noticesOf, sessionOf } from './codex-test.fake.ts'

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

codexTest(
  'words that an interrupt takes along, or the end of Codex, are told, and those taken up are not',
  async (on, provider) => {
    for (const [how, stop] of [
      ['interrupt', 'cancelled'],
      ['kill', 'failed'],
    ] as const) {
      const command = `touch ${on.path(how)}; sleep 600`
      const turn = on.turn('a', 'slow 10000', { permissionMode: 'bypassPermissions' })
      let begun = false
      const events = await all(provider, turn, async (event) => {
        if (event.type === 'text' && !begun) {
          begun = true
          assert.equal(await provider.steer(turn.id, `tool bash ${command}`, []), 'taken')
        }
        if (event.type !== 'tool') return
        await eventually(() => existsSync(on.path(how)))
        assert.equal(await provider.steer(turn.id, 'say by the way', []), 'taken')
        if (how === 'interrupt') return void provider.interrupt(turn.id)
        const [pid = 0] = await on.processes()
        process.kill(pid, 'SIGKILL')
      })
      assert.equal(endOf(events).stop, stop)
      assert.deepEqual(
        noticesOf(events).map((words) => /not taken up: “(.*)”/.exec(words)?.[1]),
        ['say by the way'],
      )
    }
  },
)

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

codexTest('what only calls itself a picture fails no turn', async (on, provider) => {
  const path = join(on.home, 'red.png')
  await writeFile(path, 'words')
  const attachments = [{ kind: 'picture', name: 'red.png', mimeType: 'image/png', path } as const]
  const first = await all(provider, on.turn('a', 'pictures', { attachments }))
  assert.doesNotMatch(JSON.stringify(on.model.calls.at(-1)?.input), /input_image/)
  assert.equal(endOf(first).stop, 'end_turn')
})

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

const onePixel =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=='
