import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openChromium, whyNoChromium } from './support/chromium.ts'
import { TelegramDemo } from './support/telegram-demo/demo.ts'
import { textHtml } from './support/telegram-demo/chat-html.ts'

const skip = (await whyNoChromium()) ?? false
/** A folder for pictures of what is seen. */
const pictures = process.env['DUCTOR_PICTURES']

test('the page shows text with all its looks, and nothing that could run', () => {
  const looks = [
    { type: 'bold', offset: 0, length: 3 },
    { type: 'italic', offset: 2, length: 3 },
    { type: 'pre', offset: 6, length: 3, language: 'ts' },
    { type: 'text_link', offset: 0, length: 1, url: 'https://a.bc/"' },
  ]
  assert.equal(
    textHtml('<b>de\nx<y\nend', looks),
    '<a href="https://a.bc/&quot;"><b>&lt;</b></a><b>b</b><i><b>&gt;</b></i><i>de</i><pre data-language="ts">x&lt;y</pre>end',
  )
})

test('a newcomer tries Telegram without Telegram', { skip }, async () => {
  await using demo = await TelegramDemo.start()
  await using browser = await openChromium()
  const screen = await browser.newPage({ viewport: { width: 420, height: 860 } })
  await screen.goto(demo.address)
  const say = async (text: string): Promise<void> => {
    await screen.getByPlaceholder('Write a message').fill(text)
    await screen.getByRole('button', { name: 'Send' }).click()
  }
  const seen = (text: string) => screen.locator('main').getByText(text).first().waitFor()
  const picture = async (name: string): Promise<void> => {
    if (pictures !== undefined) await screen.screenshot({ path: `${pictures}/${name}.png` })
  }

  await say('say: **Bold** and `code` | tool: ls | say: > quoted')
  await seen('Bold')
  assert.equal(await screen.locator('main .bot b').first().textContent(), 'Bold')
  await say('slow: 1000')
  await screen.locator('.draft').getByText('1 2').waitFor()
  await picture('draft')
  await screen.getByRole('button', { name: 'Stop' }).click()
  await seen('Stopped.')
  assert.equal(await screen.locator('.draft').count(), 0)
  await say('file: one.png | file: two.png | file: notes.txt')
  await screen.locator('.album').getByRole('img', { name: 'two.png' }).waitFor()
  assert.equal(await screen.locator('.album img').count(), 2)
  await screen.locator('.file').getByText('notes.txt').waitFor()
  await picture('album')
  await say('/rich on')
  await screen.locator('main td').getByText('a table').waitFor()
  await picture('rich')
  await screen.getByRole('button', { name: 'Yes, I see it' }).click()
  await seen('come as rich messages')
  await say('permission: rm -rf build | say: done')
  await screen.getByRole('button', { name: 'Allow', exact: true }).waitFor()
  await picture('question')
  await screen.getByRole('button', { name: 'Allow', exact: true }).click()
  await seen('→ Allow')
  assert.equal(await screen.locator('.keyboard').count(), 0)
  await picture('answered')
  await screen.getByLabel('Chat').selectOption('Team, Deploy')
  await say('say: in the topic')
  await screen.locator('.bot').getByText('in the topic').waitFor()
  await picture('topic')
})
