import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { Browser, Page } from 'playwright-core'
import { openChromium, whyNoChromium } from '../../../tests/support/chromium.ts'
import { Home } from '../../../tests/support/ductor.ts'
import { eventually } from '../../../tests/support/eventually.ts'

const skip = await whyNoChromium()

async function write(page: Page, text: string): Promise<void> {
  await page.getByLabel('Message').fill(text)
  await page.keyboard.press('Enter')
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
    const page = await browser.newPage({ viewport: { width, height }, colorScheme: dark ? 'dark' : 'light' })
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
        await page.close()
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
    await stage.home.start('try', '--provider', 'demo').ready()
    await page.getByText('after', { exact: true }).waitFor()
    assert.equal(await page.getByText('before', { exact: true }).count(), 1)
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
