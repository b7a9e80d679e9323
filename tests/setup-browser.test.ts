import assert from 'node:assert/strict'
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { startCasServer } from './support/cas-server.ts'
import { openChromium, whyNoChromium } from './support/chromium.ts'
import { Home } from './support/ductor.ts'
import { MatrixPerson } from './support/matrix-person.ts'
import { startSynapse, whyNoSynapse } from './support/synapse.ts'
import { keys, Terminal } from './support/terminal.ts'

const skip = (await whyNoSynapse()) ?? (await whyNoChromium()) ?? false

test(
  'a homeserver of an organisation: its own log-in page in the browser, no password anywhere, and answers after each start',
  { skip },
  async (t) => {
    const cas = await startCasServer('bot')
    t.after(() => cas.stop())
    const synapse = await startSynapse({
      settings: {
        cas_config: { enabled: true, server_url: cas.url },
        password_config: { enabled: false },
      },
    })
    t.after(() => synapse.stop())
    const id = `@bot:${synapse.serverName}`
    const you = new MatrixPerson(synapse.url, await synapse.admit('you'))
    await using home = new Home(undefined)
    const env = { PATH: '', HOME: home.folder, DUCTOR_HOME: home.folder, TERM: 'xterm-256color' }
    await using terminal = new Terminal([], env)
    await terminal.answers('What now?', keys.enter)
    await terminal.answers('May agents act', keys.left, keys.enter)
    await terminal.answers('Where will you write', keys.down, keys.enter)
    await terminal.answers('homeserver of the bot', synapse.url, keys.enter)
    await terminal.answers('The account of the bot', id, keys.enter)
    await terminal.answers('How shall it log in?', keys.enter)
    await terminal.sees('Waiting for the browser')
    const [address = ''] = /http:\S+sso\/redirect\S+/.exec(terminal.text) ?? []

    await using browser = await openChromium()
    const page = await browser.newPage()
    await page.goto(address)
    await page.getByRole('link', { name: 'Log in as bot' }).click()
    // Synapse asks whether this program may have the account.
    await page.getByRole('link', { name: 'Continue' }).click()
    await page.getByText('ductor has it.').waitFor()

    await terminal.answers('Who may talk to the bot?', you.id, keys.enter)
    await terminal.answers('Only in certain rooms?', keys.enter)
    await terminal.answers('Your time zone', keys.enter)
    await terminal.answers('Run ductor as a service', keys.enter)
    await terminal.answers('Start ductor now', 'n')
    assert.equal(await terminal.ended, 0)

    const kept = join(home.folder, 'matrix_store', 'credentials.json')
    assert.equal(statSync(kept).mode & 0o777, 0o600)
    const token: unknown = JSON.parse(readFileSync(kept, 'utf8')).access_token
    assert.ok(typeof token === 'string' && !terminal.text.includes(token))
    const written = readFileSync(join(home.folder, 'config', 'config.json'), 'utf8')
    assert.doesNotMatch(written, /password/)
    home.configure({ ...JSON.parse(written), provider: 'demo' })
    const room = await you.direct(id)
    for (const word of ['hello', 'hello again']) {
      const running = home.start()
      assert.match(await running.ready(), new RegExp(`^ready matrix ${id} `))
      await you.waitForMembership(room, id, 'join')
      await you.say(room, `say ${word}`)
      await you.waitForEvent(room, word, ({ sender, content }) => sender === id && content['body'] === word)
      assert.equal(await running.stop(), 0)
    }
    assert.equal((await synapse.devices(id)).length, 1)
  },
)
