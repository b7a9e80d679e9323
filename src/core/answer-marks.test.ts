import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readMarks, withoutOpenMark } from './answer-marks.ts'

test('files and buttons are taken out of the text, in their order', () => {
  assert.deepEqual(
    readMarks('Here it is.\n<file:/tmp/a.txt>\n<file:/tmp/b c.txt>\n\nShall I? [button:Yes, do] [button:No]'),
    { text: 'Here it is.\n\nShall I?', files: ['/tmp/a.txt', '/tmp/b c.txt'], buttons: ['Yes, do', 'No'] },
  )
})

test('what stands in code is an example and stays', () => {
  const text = 'Write `<file:/x>` or:\n\n```\n[button:Yes]\n```\n\nlike that.'
  assert.deepEqual(readMarks(text), { text, files: [], buttons: [] })
})

test('text without marks is the same, blanks and all', () => {
  const text = 'a  \n\n\n\nb <file> [button] '
  assert.equal(readMarks(text).text, text)
})

test('a mark that has only begun is not shown while the text grows', () => {
  for (const end of ['<', '<fi', '<file:', '<file:/tmp/a', '[', '[but', '[button:Ye'])
    assert.equal(withoutOpenMark(`done ${end}`), 'done ')
  assert.equal(withoutOpenMark('a < b'), 'a < b')
})
