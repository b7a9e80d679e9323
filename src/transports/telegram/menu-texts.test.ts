import assert from 'node:assert/strict'
import { test } from 'node:test'
import { commands } from '../../commands/index.ts'
import { menuTexts } from './menu-texts.ts'

test('every command is in the menu of every language, and nothing else is', () => {
  // The last one is Telegram's own.
  const names = [...commands.map(({ name }) => name), 'rich'].toSorted()
  for (const [language, texts] of menuTexts) {
    assert.deepEqual(Object.keys(texts).toSorted(), names, language)
    for (const text of Object.values(texts)) assert.ok(text.length <= 100 && !text.includes('\n'), text)
  }
})
