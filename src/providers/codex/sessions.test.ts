import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { readdir, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import { endOf, textOf } from '../../../tests/contracts/provider.ts'
import { eventually } from '../../../tests/support/eventually.ts'
import { codexBinary } from '../../../tests/support/install-codex.ts'
import { all, codexTest, noticesOf, sessionOf, terminal } from './codex-test.fake.ts'

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

codexTest('of two chats that go on with one session at once, one is told to wait', async (on, provider) => {
  const resume = sessionOf(await all(provider, on.turn('a', 'say one')))
  await provider.release({ key: 'a', transport: 'test', chat: 'a' }, '')
  const both = ['b', 'c'].map((place) => all(provider, on.turn(place, 'say two', { resume })))
  const ends = (await Promise.all(both)).map(endOf)
  assert.deepEqual(ends.map(({ stop }) => stop).toSorted(), ['end_turn', 'failed'])
  assert.match(ends.map(({ error }) => error).join(''), /running turn/)
})

codexTest(
  'a session of which a full disk has left an empty file begins anew, with a notice',
  async (on, provider) => {
    const resume = sessionOf(await all(provider, on.turn('a', 'say one')))
    await provider.close()
    const names = await readdir(join(on.home, '.codex', 'sessions'), { recursive: true })
    const rollout = names.find((name) => name.endsWith(`${resume}.jsonl`)) ?? ''
    await truncate(join(on.home, '.codex', 'sessions', rollout))
    const later = on.open()
    const events = await all(later, on.turn('a', 'history', { resume }))
    await later.close()
    assert.match(noticesOf(events).join(), /no longer has the earlier conversation/)
    assert.equal(textOf(events), 'prompts: 1')
  },
)
