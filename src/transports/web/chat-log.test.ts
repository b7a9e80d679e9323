import assert from 'node:assert/strict'
import { test } from 'node:test'
import { InMemoryStore } from '../../../tests/contracts/in-memory.ts'
import { ChatLog } from './chat-log.ts'

const words = (text: string) => ({ text, files: [] })

test('a long conversation is read page by page, newest first, whatever was said elsewhere meanwhile', () => {
  const chat = new ChatLog(new InMemoryStore())
  for (let n = 0; n < 450; n += 1) chat.post(`k${n}`, n % 3 === 0 ? 'other' : 'one', { text: String(n) }, n)
  const seen: string[] = []
  let before: number | undefined
  let pages = 0
  for (let more = true; more; pages += 1) {
    const page = chat.page('one', before === undefined ? {} : { before })
    ;({ more } = page)
    seen.unshift(...page.messages.map(({ content }) => String(content['text'])))
    before = page.messages[0]?.seq
  }
  assert.equal(pages, 3)
  assert.deepEqual(
    seen,
    Array.from({ length: 450 }, (_, n) => n)
      .filter((n) => n % 3 !== 0)
      .map(String),
  )
})

test('what waits for the disk keeps its place, and nothing else takes it, also after a restart', () => {
  const memory = new InMemoryStore()
  const chat = new ChatLog(memory)
  const first = chat.said('a', 'one', words('first'), 1)
  const second = chat.said('b', 'one', words('second'), 2)
  chat.post('p', 'one', { text: 'answer' }, 3)
  memory.remember(second.entries)
  memory.remember(first.entries)
  const later = new ChatLog(memory)
  later.post('q', 'one', { text: 'later' }, 4)
  assert.deepEqual(
    later.page('one', {}).messages.map(({ content }) => content['text']),
    ['first', 'second', 'answer', 'later'],
  )
})

test('a conversation is named by its first words or file, until it is renamed', () => {
  const memory = new InMemoryStore()
  const chat = new ChatLog(memory)
  const file = { id: 'f', name: 'plan.pdf', mimeType: 'application/pdf', size: 1 }
  memory.remember(chat.said('a', 'one', words('Fix the roof\nplease'), 1).entries)
  memory.remember(chat.said('b', 'two', { text: '', files: [file] }, 2).entries)
  assert.equal(chat.rename('one', '  The roof '), true)
  memory.remember(chat.said('c', 'one', words('And the door'), 3).entries)
  assert.deepEqual(
    chat.conversations().map(({ title }) => title),
    ['The roof', 'plan.pdf'],
  )
  assert.equal(chat.rename('nowhere', 'x'), false)
})

test('a conversation that was removed leaves nothing behind, and comes back when something is posted in it', () => {
  const memory = new InMemoryStore()
  const chat = new ChatLog(memory)
  memory.remember(chat.said('a', 'one', words('hello'), 1).entries)
  const { ref } = chat.post('p', 'one', { state: 'working' }, 2)
  chat.change(ref, { state: 'working', text: 'unwritten' }, 3)
  assert.equal(chat.forget('one').length, 2)
  assert.deepEqual(
    memory.list('').map(([key]) => key),
    ['seq'],
  )
  assert.equal(chat.change(ref, { state: 'ended' }, 4), undefined)
  chat.post('q', 'one', { text: 'late' }, 5)
  assert.deepEqual(
    chat.conversations().map(({ id }) => id),
    ['one'],
  )
})
