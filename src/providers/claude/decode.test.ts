import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { asked, TurnDecoder, type Heard } from './decode.ts'
import { resultFailure } from './failure.ts'

test('an answer comes as text of one block, and one result', async () => {
  const heard = await replay('say')
  const texts = heard.filter((each) => each.type === 'text')
  assert.ok(texts.length > 0)
  assert.equal(new Set(texts.map(({ block }) => block)).size, 1)
  const [result] = resultsOf(heard)
  assert.equal(texts.map(({ delta }) => delta).join(''), result?.result)
})

test('tools that run at once each have a beginning and an end', async () => {
  const tools = (await replay('parallel')).filter((each) => each.type === 'tool')
  const ids = new Set(tools.map(({ id }) => id))
  assert.ok(ids.size >= 2)
  for (const id of ids)
    assert.deepEqual(
      tools.filter((tool) => tool.id === id).map(({ status }) => status === 'in_progress'),
      [true, false],
    )
})

test('text of a cut stream is taken back before it is told again', async () => {
  const heard = await replay('err-midfail-socket')
  assert.equal(heard.filter(({ type }) => type === 'text.reset').length, 2)
  const blocks = new Map<string | undefined, string>()
  for (const each of heard) {
    if (each.type === 'text') blocks.set(each.block, (blocks.get(each.block) ?? '') + each.delta)
    if (each.type === 'text.reset') blocks.delete(each.block)
  }
  assert.deepEqual([...blocks.values()], ['m1 m2 m3 '])
  assert.match(JSON.stringify(heard), /may not be complete/)
})

test('a result that calls itself a success but is an error says what to do', async () => {
  const heard = await replay('err-429-max1')
  assert.equal(heard.filter(({ type }) => type === 'notice').length, 1)
  const [result] = resultsOf(heard)
  assert.ok(result?.is_error)
  assert.match(resultFailure(result), /usage limit/)
})

test('what a sub-agent says is not the answer, and its own later turn is no ending of ours', async () => {
  const heard = await replay('p-subagent')
  assert.ok(resultsOf(heard).every(({ origin }) => origin?.kind !== 'task-notification'))
})

test('a request for leave shows the file and all that would be in it', async () => {
  const request = (await replay('p-approve-write')).find((each) => each.type === 'question')
  assert.ok(request)
  assert.deepEqual(asked(request.id, request.question), {
    type: 'permission.requested',
    id: request.id,
    title: 'Write a file',
    detail: '/home/person/work/claude/w.txt\n+ hello',
  })
})

async function replay(name: string): Promise<readonly Heard[]> {
  const text = await readFile(new URL(`recorded/${name}.jsonl`, import.meta.url), 'utf8')
  const decoder = new TurnDecoder('none')
  return text
    .split('\n')
    .filter((line) => line !== '')
    .flatMap((line) => decoder.decode(line))
}

function resultsOf(heard: readonly Heard[]) {
  return heard.flatMap((each) => (each.type === 'result' ? [each.result] : []))
}
