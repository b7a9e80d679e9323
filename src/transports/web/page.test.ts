import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { Browser, Page } from 'playwright-core'
import { openChromium, whyNoChromium } from '../../../tests/support/chromium.ts'
import { Home } from '../../../tests/support/ductor.ts'
import { eventually } from '../../../tests/support/eventually.ts'
import { picture } from '../../providers/demo/picture.ts'

const skip = await whyNoChromium()

async function write(page: Page, text: string): Promise<void> {
  await page.getByLabel('Message', { exact: true }).fill(text)
  await page.keyboard.press('Enter')
}

/** Pastes or drops a file as a browser does it. */
async function give(page: Page, how: 'paste' | 'drop', name: string): Promise<void> {
  const happens = (type: string) =>
    page.evaluate(`{
      const data = new DataTransfer()
      data.items.add(new File(['words'], '${name}', { type: 'text/plain' }))
      const more = { clipboardData: data, dataTransfer: data, bubbles: true, cancelable: true }
      const Kind = '${type}' === 'paste' ? ClipboardEvent : DragEvent
      document.querySelector('textarea').dispatchEvent(new Kind('${type}', more))
    }`)
  if (how === 'paste') return void (await happens('paste'))
  await happens('dragover')
  await page.getByText('Drop files to add them').waitFor()
  await happens('drop')
}

/** A picture for whoever wants to look: DUCTOR_SCREENSHOTS names the folder. */
async function shot(page: Page, name: string): Promise<void> {
  const folder = process.env['DUCTOR_SCREENSHOTS']
  if (folder !== undefined) await page.screenshot({ path: `${folder}/${name}.png` })
}

describe('the page in a real browser', { skip: skip ?? false }, () => {
  let browser: Browser
  before(async () => {
    browser = await openChromium()
  })
  after(() => browser?.close())

  async function begin({ width = 1100, height = 760, dark = false } = {}) {
    const home = new Home(undefined)
    const running = home.start('try', '--provider', 'demo')
    const address = /http:\S+/.exec(await running.ready())?.[0] ?? ''
    const context = await browser.newContext({
      viewport: { width, height },
      colorScheme: dark ? 'dark' : 'light',
    })
    const page = await context.newPage()
    const errors: string[] = []
    page.on('pageerror', (error) => errors.push(error.message))
    page.on('console', (line) => {
      if (line.type() === 'error') errors.push(line.text())
    })
    await page.goto(address)
    await page.getByText('connected', { exact: true }).waitFor({ state: 'attached' })
    return {
      home,
      page,
      address,
      errors,
      async [Symbol.asyncDispose]() {
        await context.close()
        await home[Symbol.asyncDispose]()
      },
    }
  }

  test('a message is answered, the answer is there after a reload, and the token is not in the address', async () => {
    await using stage = await begin()
    const { page } = stage
    await write(page, 'markdown')
    await page.locator('.bot .prose table').waitFor()
    await write(page, 'say: Looking | tool: ls -la | say: Found it')
    await page.getByText('Found it', { exact: true }).waitFor()
    await page.locator('.tool.completed').waitFor()
    assert.doesNotMatch(page.url(), /token/)
    await shot(page, 'light')
    await page.reload()
    await page.getByText('Found it', { exact: true }).waitFor()
    assert.equal(await page.locator('nav li').count(), 1)
    assert.deepEqual(stage.errors, [])
  })

  test('an answer streams, and Escape stops it', async () => {
    await using stage = await begin({ dark: true })
    const { page } = stage
    await write(page, 'slow: 1000')
    await page.locator('.bot.working', { hasText: '1 2 3' }).waitFor()
    await shot(page, 'dark')
    await page.keyboard.press('Escape')
    await page.getByText('Stopped.').waitFor()
    await page.locator('.bot.ended', { hasText: '1 2 3' }).waitFor()
  })

  test('on a phone nothing is wider than the screen, and the conversations are in a drawer', async () => {
    await using stage = await begin({ width: 360, height: 640 })
    const { page } = stage
    await write(page, 'markdown')
    await page.locator('.bot.ended table').waitFor()
    assert.equal(await page.evaluate('document.documentElement.scrollWidth'), 360)
    await shot(page, 'phone')
    await page.locator('.drawer-button').click()
    await page.getByText('New conversation', { exact: true }).last().waitFor()
    await eventually(async () => ((await page.locator('nav').boundingBox())?.x ?? -1) >= 0)
    await shot(page, 'drawer')
  })

  test('by keyboard alone: write, begin another conversation, go back to the first', async () => {
    await using stage = await begin()
    const { page } = stage
    await write(page, 'say: first answer')
    await page.getByText('first answer', { exact: true }).waitFor()
    await page.keyboard.press('Control+k')
    await page.keyboard.type('say: second answer')
    await page.keyboard.press('Enter')
    await page.getByText('second answer', { exact: true }).waitFor()
    await page.locator('nav li').nth(1).waitFor()
    await page.locator('nav li button').first().focus()
    await page.keyboard.press('ArrowDown')
    await page.keyboard.press('Enter')
    await page.getByText('first answer', { exact: true }).waitFor()
    assert.equal(await page.getByText('second answer', { exact: true }).count(), 0)
  })

  test('a question is answered by its button, once', async () => {
    await using stage = await begin()
    const { page } = stage
    await write(page, 'permission: rm -rf ./build')
    await page.getByRole('button', { name: 'Allow', exact: true }).click()
    await page.getByText('You allowed').waitFor()
    await page.getByText('→ Allow').waitFor()
    assert.equal(await page.locator('.choices button').count(), 0)
    await shot(page, 'asked')
  })

  test('what the agent says is never live', async () => {
    await using stage = await begin()
    const { page } = stage
    await write(
      page,
      'say: <img src=x onerror=alert(1)><script>alert(2)</script> [x](javascript:alert(3)) ![i](http://127.0.0.1:1/x.png) done',
    )
    await page.locator('.bot.ended', { hasText: 'done' }).waitFor()
    assert.equal(await page.locator('.bot img, .bot script').count(), 0)
    assert.equal(await page.locator('.bot a[href^="javascript"]').count(), 0)
    assert.deepEqual(stage.errors, [])
  })

  test('when ductor is restarted the page comes back by itself, and what was written meanwhile is answered', async () => {
    await using stage = await begin()
    const { page } = stage
    await write(page, 'say: before')
    await page.getByText('before', { exact: true }).waitFor()
    await stage.home.killRunning()
    await page.getByText(/^reconnecting/).waitFor({ state: 'attached' })
    await write(page, 'say: after')
    await page.getByText('not sent yet').waitFor()
    // Not even closing the tab loses it.
    const other = await page.context().newPage()
    await page.close()
    const again = stage.home.start('try', '--provider', 'demo')
    await other.goto(/http:\S+/.exec(await again.ready())?.[0] ?? '')
    await other.getByText('after', { exact: true }).waitFor()
    assert.equal(await other.getByText('before', { exact: true }).count(), 1)
    assert.equal(
      stage.home.journal().filter(({ event, text }) => event === 'begun' && text === 'say: after').length,
      1,
    )
  })

  test('files are picked, pasted and dropped; what was written is kept over a reload until it is sent', async () => {
    await using stage = await begin({ dark: true })
    const { page } = stage
    await page.setInputFiles('input[type=file]', {
      name: 'a.png',
      mimeType: 'image/png',
      buffer: picture(40, 30),
    })
    await page.getByLabel('Message', { exact: true }).fill('attachments?')
    await give(page, 'paste', 'pasted.txt')
    await give(page, 'drop', 'dropped.txt')
    await page.locator('.attached li', { hasText: 'dropped.txt' }).waitFor()
    await eventually(async () => (await page.getByText('on its way…').count()) === 0)
    await shot(page, 'attached')
    await page.reload()
    await page.getByRole('button', { name: 'Remove pasted.txt' }).click()
    await page.keyboard.press('Tab')
    await page.getByRole('button', { name: 'Send' }).click()
    await page.locator('.bot.ended', { hasText: 'picture a.png (image/png' }).waitFor()
    await page.locator('.bot.ended', { hasText: 'file dropped.txt' }).waitFor()
    assert.equal(await page.locator('.bot.ended', { hasText: 'pasted.txt' }).count(), 0)
    await page.getByRole('img', { name: 'a.png' }).waitFor()
    assert.equal(await page.locator('.attached').count(), 0)
    await shot(page, 'sent')
    const download = page.waitForEvent('download')
    await page.getByRole('button', { name: 'Save dropped.txt' }).click()
    assert.equal((await download).suggestedFilename(), 'dropped.txt')
    assert.deepEqual(stage.errors, [])
  })

  test('a conversation is renamed and removed, by keyboard', async () => {
    await using stage = await begin()
    const { page } = stage
    await write(page, 'say: one')
    await page.getByText('one', { exact: true }).waitFor()
    await page.getByRole('button', { name: 'Rename say: one' }).focus()
    await page.keyboard.press('Enter')
    await page.keyboard.type('The roof')
    await page.keyboard.press('Enter')
    await page.getByRole('heading', { name: 'The roof' }).waitFor()
    await page.getByRole('button', { name: 'Remove The roof' }).focus()
    await page.keyboard.press('Enter')
    await page.keyboard.press('Enter')
    await page.getByText('What shall the agent do?').waitFor()
    assert.equal(await page.locator('nav li').count(), 0)
  })

  test('while ductor cannot store what was written, the page says so, keeps it, and sends it once', async () => {
    await using stage = await begin()
    const { page } = stage
    const calls: (() => Promise<void>)[] = []
    await page.route('**/api/messages', (route) => {
      // As on a full disk: no answer comes.
      calls.push(() => route.continue())
    })
    await write(page, 'say: patience')
    await page.getByText('ductor has not stored it yet').waitFor()
    await page.unroute('**/api/messages')
    await page.reload()
    await page.locator('.bot.ended', { hasText: 'patience' }).waitFor()
    assert.equal(await page.locator('.person').count(), 1)
    assert.equal(calls.length, 1)
    assert.equal(stage.home.journal().filter(({ event }) => event === 'begun').length, 1)
  })

  test('a file of the agent comes with a preview, buttons answer, and background work speaks by itself', async () => {
    await using stage = await begin()
    const { page } = stage
    await write(page, 'file picture.png')
    await page.getByRole('img', { name: 'picture.png' }).waitFor()
    await write(page, 'buttons Tea|Coffee')
    await page.getByRole('button', { name: 'Coffee' }).click()
    await page.locator('.bot', { hasText: 'You said: Coffee' }).waitFor()
    await write(page, 'background 0')
    await page.getByText('The background work is done.').waitFor()
    await write(page, 'ask')
    await page.getByRole('button', { name: 'Tea', exact: true }).click()
    await page.getByText('You answered: Tea.').waitFor()
    await shot(page, 'offers')
    assert.deepEqual(stage.errors, [])
  })

  test('a plan is shown step by step, and the commands are offered', async () => {
    await using stage = await begin()
    const { page } = stage
    await write(page, 'plan')
    await page.locator('.plan .in_progress').first().waitFor()
    await page.getByText('The plan is done.').waitFor()
    assert.equal(await page.locator('.plan .completed').count(), 3)
    await page.getByLabel('Message', { exact: true }).fill('/stat')
    await page.keyboard.press('ArrowUp')
    await page.keyboard.press('Enter')
    assert.equal(await page.getByLabel('Message', { exact: true }).inputValue(), '/status ')
    await page.keyboard.press('Enter')
    await page.locator('.bot', { hasText: 'demo' }).last().waitFor()
    assert.deepEqual(stage.errors, [])
  })

  test('without a token the page says where to find the address', async () => {
    await using stage = await begin()
    const other = await browser.newContext()
    const page = await other.newPage()
    await page.goto(stage.address.split('#')[0] ?? '')
    await page.getByText('the whole address that ductor printed').waitFor()
    await other.close()
  })
})
