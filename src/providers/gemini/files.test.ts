import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { GeminiFiles } from './files.ts'

const id = '0a1b2c3d-0000-4000-8000-000000000000'
const other = '99999999-0000-4000-8000-000000000000'
/** As Gemini 0.61.0 writes them. */
const meta = (sessionId: string, kind = 'main') =>
  JSON.stringify({ sessionId, projectHash: 'h', startTime: '2026-11-25T10:00:00.000Z', kind })
const context = JSON.stringify({
  $set: {
    messages: [{ id: 'c', type: 'user', content: [{ text: '<session_context>\nThis is the Gemini CLI.' }] }],
  },
})
const prompt = (text: string) => JSON.stringify({ id: 'p', type: 'user', content: [{ text }] })
const answer = JSON.stringify({ id: 'a', type: 'gemini', content: 'one', thoughts: [] })

test('a session may not be loaded in the minute in which it was begun', async (t) => {
  const { files } = await home(t, { 'session-2026-11-25T10-00-0a1b2c3d.jsonl': [meta(id), context] })
  const begun = Date.UTC(2026, 10, 25, 10, 0, 12)
  assert.equal(await files.loadsIn(id, begun), 48_200)
  assert.equal(await files.loadsIn(other, begun), 0)
  assert.equal(await files.loadsIn(id, begun + 48_000), 0)
})

test('the empty file that a load leaves behind is removed, and nothing else', async (t) => {
  const { files, left } = await home(t, {
    'session-2026-11-25T10-00-0a1b2c3d.jsonl': [meta(id), context, prompt('say one'), answer],
    'session-2026-11-25T10-07-0a1b2c3d.jsonl': [meta(id), context, meta(id), context],
    'session-2026-11-25T10-07-99999999.jsonl': [meta(other), context],
  })
  await files.removeHusks(id)
  assert.deepEqual(await left(), [
    'session-2026-11-25T10-00-0a1b2c3d.jsonl',
    'session-2026-11-25T10-07-99999999.jsonl',
  ])
})

for (const husk of ['', '{"sessionId":"0a1b'])
  test(`where a full disk let a load write “${husk}”, that file is removed too`, async (t) => {
    const name = 'session-2026-11-25T10-00-0a1b2c3d.jsonl'
    const { files, chats, left } = await home(t, { [name]: [meta(id), context, prompt('say one'), answer] })
    await writeFile(join(chats, 'session-2026-11-25T10-07-0a1b2c3d.jsonl'), husk)
    await files.removeHusks(id)
    assert.deepEqual(await left(), [name])
  })

test('a session that is too large to be read is one all the same', async (t) => {
  const name = 'session-2026-11-25T10-00-0a1b2c3d.jsonl'
  const { files, left } = await home(t, {
    [name]: [meta(id), context, prompt('x'.repeat(17e6))],
    'session-2026-11-25T10-07-0a1b2c3d.jsonl': [meta(id), context],
  })
  await files.removeHusks(id)
  assert.deepEqual(await left(), [name])
})

test('a session that is only empty files is left alone', async (t) => {
  const name = 'session-2026-11-25T10-00-0a1b2c3d.jsonl'
  const { files, left } = await home(t, { [name]: [meta(id), context] })
  await files.removeHusks(id)
  assert.deepEqual(await left(), [name])
})

test('a file whose history was written anew as a whole is no empty one', async (t) => {
  const whole = JSON.stringify({ $set: { messages: [{ id: 'p', type: 'user', content: 'say one' }] } })
  const names = {
    'session-2026-11-25T10-00-0a1b2c3d.jsonl': [meta(id), whole],
    'session-2026-11-25T10-07-0a1b2c3d.jsonl': [meta(id), context, prompt('say two'), answer],
  }
  const { files, left } = await home(t, names)
  await files.removeHusks(id)
  assert.deepEqual(await left(), Object.keys(names))
})

test('the sessions of a folder have their first prompts as titles, newest first', async (t) => {
  const { files, chats } = await home(t, {
    'session-2026-11-25T10-00-0a1b2c3d.jsonl': [meta(id), context, prompt('look\nat  this'), answer],
    'session-2026-11-25T09-00-99999999.jsonl': [meta(other), context, prompt('a'.repeat(100)), '{"half'],
    'session-2026-11-25T10-07-77777777.jsonl': [meta('77777777'), context],
    'session-2026-11-25T10-08-66666666.jsonl': [meta('66666666', 'subagent'), prompt('do')],
  })
  await utimes(join(chats, 'session-2026-11-25T10-00-0a1b2c3d.jsonl'), 2000, 2000)
  await utimes(join(chats, 'session-2026-11-25T09-00-99999999.jsonl'), 1000, 1000)
  assert.deepEqual(await files.sessions('/work'), [
    { id, title: 'look at this', updatedAt: 2_000_000 },
    { id: other, title: `${'a'.repeat(79)}…`, updatedAt: 1_000_000 },
  ])
  assert.deepEqual(await files.sessions('/elsewhere'), [])
})

test('where Gemini was never used there are no sessions, and nothing to wait for', async () => {
  const files = new GeminiFiles('/nowhere/.gemini')
  assert.deepEqual(await files.sessions('/work'), [])
  assert.equal(await files.loadsIn(id), 0)
  await files.removeHusks(id)
})

async function home(t: TestContext, contents: Readonly<Record<string, readonly string[]>>) {
  const root = await mkdtemp(join(tmpdir(), 'ductor-gemini-'))
  t.after(() => rm(root, { recursive: true }))
  const chats = join(root, 'tmp/work/chats')
  await mkdir(chats, { recursive: true })
  await writeFile(join(root, 'projects.json'), '{"projects":{"/work":"work"}}')
  for (const [name, lines] of Object.entries(contents))
    await writeFile(join(chats, name), lines.map((line) => `${line}\n`).join(''))
  return { files: new GeminiFiles(root), chats, left: async () => (await readdir(chats)).toSorted() }
}
