import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { TurnDecoder, type Heard } from './decode.ts'
import { resultFailure } from './failure.ts'
import { parseMessage } from './wire.ts'

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

test('what a sub-agent says is not the answer', async () => {
  const texts = (await replay('p-subagent')).flatMap((each) => (each.type === 'text' ? [each.delta] : []))
  assert.ok(texts.length > 0)
  assert.ok(!texts.join('').includes('sub-agent'))
})

test('a list of things to do is the plan, and no tool', () => {
  const input = { todos: [{ content: 'look', status: 'in_progress', activeForm: 'Looking' }] }
  const content = [{ type: 'tool_use', id: 't', name: 'TodoWrite', input }]
  const message = parseMessage(JSON.stringify({ type: 'assistant', message: { id: 'm', content } }))
  assert.ok(message !== undefined && message !== 'unknown')
  assert.deepEqual(new TurnDecoder().read(message), [
    { type: 'plan', entries: [{ text: 'look', status: 'in_progress' }] },
  ])
})

test('a usage limit is told with the time at which it ends', () => {
  const decoder = new TurnDecoder()
  const resetsAt = Date.UTC(2030, 0, 2, 3, 4) / 1000
  const read = (status: string) => {
    const message = parseMessage(
      JSON.stringify({ type: 'rate_limit_event', rate_limit_info: { status, resetsAt } }),
    )
    return message === undefined || message === 'unknown' ? [] : decoder.read(message)
  }
  assert.match(JSON.stringify(read('allowed_warning')), /limit is near\. It resets on .*2 Jan/)
  assert.deepEqual(read('allowed_warning'), [])
  read('rejected')
  const result = { type: 'result', subtype: 'success', is_error: true, api_error_status: 429 } as const
  assert.match(resultFailure(result, decoder.resetsAt), /limit is reached\. It resets on .*2 Jan/)
})

async function replay(name: string): Promise<readonly Heard[]> {
  const text = await readFile(new URL(`recorded/${name}.jsonl`, import.meta.url), 'utf8')
  const decoder = new TurnDecoder()
  return text
    .split('\n')
    .filter((line) => line !== '')
    .flatMap((line) => {
      const message = parseMessage(line)
      return message === undefined || message === 'unknown' ? [] : decoder.read(message)
    })
}

function resultsOf(heard: readonly Heard[]) {
  return heard.flatMap((each) => (each.type === 'result' ? [each.result] : []))
}
