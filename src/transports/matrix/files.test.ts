import assert from 'node:assert/strict'
import { mkdir, readdir, readFile, realpath, rm, symlink, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { after, describe, test, type TestContext } from 'node:test'
import sharp from 'sharp'
import type { MatrixEvent, MatrixPerson } from '../../../tests/support/matrix-person.ts'
import { startSynapse, whyNoSynapse } from '../../../tests/support/synapse.ts'
import { UserError } from '../../core/user-error.ts'
import type { Attachment } from '../../core/message.ts'
import { arrive, freshName, placeOf, TestBot } from './bot.fake.ts'
import { picture as aPicture, pictureBomb } from './picture.fake.ts'

interface Info {
  readonly thumbnail_url: string
  readonly thumbnail_info: unknown
}

const missing = await whyNoSynapse()

/** One pixel wide and two high. */
const png = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAACCAYAAACZgbYnAAAAEUlEQVR4nGP4z8DwHwAFAAH/q842iQAAAABJRU5ErkJggg==',
  'base64',
)

describe('files', missing === undefined ? {} : { skip: missing }, async () => {
  if (missing !== undefined) return
  const synapse = await startSynapse({ settings: { max_upload_size: '1M' } })
  after(() => synapse.stop())

  async function meet(t: TestContext, matrix: Readonly<Record<string, unknown>> = {}) {
    const owner = await arrive(synapse, 'owner')
    const bot = await TestBot.arrive(t, synapse, freshName('bot'), { allowed_users: [owner.id], ...matrix })
    await bot.start()
    const room = await owner.direct(bot.id)
    await owner.waitForMembership(room, bot.id, 'join')
    return { bot, owner, room }
  }

  test('a picture comes with its caption, and lies in the folder of its day', async (t) => {
    const { bot, owner, room } = await meet(t)
    const url = await owner.upload(png, 'image/png')
    const info = { mimetype: 'image/png', size: png.length }
    await owner.say(room, 'what is this?', { msgtype: 'm.image', filename: 'cat.png', url, info })
    const [message] = await bot.messages(1)
    assert.equal(message?.text, 'what is this?')
    assert.equal(message?.partial, true)
    const [picture] = message?.attachments ?? []
    assert.ok(picture !== undefined && picture.path === undefined, 'it is fetched when it is needed')
    assert.deepEqual([picture.kind, picture.name, picture.size], ['picture', 'cat.png', png.length])
    const { path = '' } = await fetched(bot, picture)
    assert.equal(basename(path), 'cat.png')
    assert.match(dirname(path), /workspace[\\/]matrix_files[\\/]\d{4}-\d\d-\d\d$/)
    assert.deepEqual(await readFile(path), png)
  })

  test('the file of a message that is answered comes along; of the bot’s own, the name', async (t) => {
    const { bot, owner, room } = await meet(t)
    const url = await owner.upload(png, 'image/png')
    const picture = { msgtype: 'm.image', filename: 'cat.png', url, info: { mimetype: 'image/png' } }
    const theirs = await owner.say(room, 'a cat', picture)
    await owner.reply(room, theirs, 'is it?')
    const [, asked] = await bot.messages(2)
    assert.equal(asked?.replyTo?.text, 'a cat')
    const [shown] = asked?.replyTo?.attachments ?? []
    assert.ok(shown !== undefined)
    const { path = '' } = await fetched(bot, shown)
    assert.deepEqual(await readFile(path), png)
    const own = join(bot.home, 'report.pdf')
    await writeFile(own, png)
    const ours = await bot.post(room, 'report', {
      kind: 'file',
      size: png.length,
      path: own,
      name: 'report.pdf',
      mimeType: 'application/pdf',
    })
    await owner.reply(room, ours, 'shorter')
    assert.deepEqual((await bot.messages(3)).at(-1)?.replyTo, { messageId: ours, text: 'report.pdf' })
  })

  test('every kind of file is what it is, and a name alone is no caption', async (t) => {
    const { bot, owner, room } = await meet(t)
    const voice = { 'org.matrix.msc3245.voice': {}, 'org.matrix.msc1767.audio': { duration: 900 } }
    for (const [msgtype, more] of [
      ['m.audio', voice],
      ['m.audio', {}],
      ['m.video', {}],
      ['m.file', {}],
    ] as const) {
      await owner.say(room, 'a file', { msgtype, url: 'mxc://hs.test/abc', ...more })
    }
    await owner.send(room, 'm.sticker', { body: 'a cat', url: 'mxc://hs.test/cat', info: {} })
    const heard = await bot.messages(5)
    assert.deepEqual(
      heard.map(({ text, attachments }) => [text, attachments?.[0]?.kind, attachments?.[0]?.mimeType]),
      ['voice', 'audio', 'video', 'file', 'sticker'].map((kind) => ['', kind, 'application/octet-stream']),
    )
  })

  test('a name cannot lead out of the folder, and a lie about the size fills no disk', async (t) => {
    const { bot, owner, room } = await meet(t, { max_file_mb: 0.01 })
    const url = await owner.upload(png, 'image/png')
    const evil = '../../../.ssh/authorized_keys\0\u202Egnp'
    await owner.say(room, evil, { msgtype: 'm.file', url, info: { size: -5, mimetype: '../x' } })
    const big = await owner.upload(Buffer.alloc(20_000), 'text/plain')
    await owner.say(room, 'big.txt', {
      msgtype: 'm.file',
      url: big,
      info: { size: 1, mimetype: 'text/plain' },
    })
    await owner.say(room, 'x', { msgtype: 'm.file', url: 'mxc://hs.test/../../../_matrix/client/v3/login' })
    await owner.say(room, 'gone.txt', { msgtype: 'm.file', url: 'mxc://hs.test/nosuchfile' })
    const [named, large, crooked, gone] = (await bot.messages(4)).map(({ attachments }) => attachments?.[0])
    assert.ok(named && large && crooked && gone)
    const { path = '' } = await fetched(bot, named)
    const folder = await realpath(join(bot.home, 'workspace', 'matrix_files'))
    assert.ok((await realpath(path)).startsWith(folder))
    assert.match(basename(path), /^[\w.-]+$/)
    await assert.rejects(fetched(bot, large), refusal(/too large: at most 0 MB/))
    await assert.rejects(fetched(bot, crooked), refusal(/does not lie on a homeserver/))
    await assert.rejects(fetched(bot, gone), refusal(/not on the homeserver any more/))
  })

  test('a file is shown as what it is, with the size of a picture', async (t) => {
    const { bot, owner, room } = await meet(t)
    for (const [name, mimeType, bytes, msgtype] of [
      ['a.png', 'image/png', png, 'm.image'],
      ['a.mp3', 'audio/mpeg', Buffer.from('sound'), 'm.audio'],
      ['a.mp4', 'video/mp4', Buffer.from('film'), 'm.video'],
      ['a.svg', 'image/svg+xml', Buffer.from('<svg/>'), 'm.file'],
      ['a.txt', 'text/plain', Buffer.from('words'), 'm.file'],
    ] as const) {
      const event = await show(bot, owner, room, await fileOf(bot, name, bytes), mimeType)
      const { info } = event.content
      assert.deepEqual([event.content['msgtype'], event.content['body']], [msgtype, name])
      const size = msgtype === 'm.image' ? { w: 1, h: 2 } : {}
      assert.deepEqual(info, { mimetype: mimeType, size: bytes.length, ...size })
      assert.deepEqual(Buffer.from(await owner.download(String(event.content['url']))), bytes)
    }
    assert.deepEqual(bot.store.list('upload:'), [], 'what was sent need not be remembered')
  })

  test('a large picture is shown with a thumbnail, which is uploaded once, too', async (t) => {
    const { bot, owner, room } = await meet(t)
    const bytes = await aPicture('jpeg')
    const event = await show(bot, owner, room, await fileOf(bot, 'large.jpg', bytes), 'image/jpeg')
    const { thumbnail_url: url, thumbnail_info: about, ...info } = event.content['info'] as Info
    assert.deepEqual(info, { mimetype: 'image/jpeg', size: bytes.length, w: 2000, h: 1500 })
    const small = Buffer.from(await owner.download(url))
    assert.deepEqual(about, { mimetype: 'image/jpeg', w: 800, h: 600, size: small.length })
    const { width, height } = await sharp(small).metadata()
    assert.deepEqual([width, height], [800, 600])
    assert.deepEqual(await readdir(join(bot.home, 'matrix_store', 'uploads')), [])
  })

  test('a picture that would be huge is sent as it is, and nobody here unpacks it', async (t) => {
    const { bot, owner, room } = await meet(t)
    const path = await fileOf(bot, 'bomb.png', pictureBomb(30_000))
    const event = await show(bot, owner, room, path, 'image/png')
    const { thumbnail_url: url, w, h } = event.content['info'] as Info & { w: number; h: number }
    assert.deepEqual([event.content['msgtype'], url, w, h], ['m.image', undefined, 30_000, 30_000])
  })

  test('a file is uploaded once, however often its message is sent', async (t) => {
    const { bot, owner, room } = await meet(t)
    const path = await fileOf(bot, 'once.txt', Buffer.from('first'))
    const operation = post(room, path, 'text/plain', 'once')
    await assert.rejects(bot.deliver({ ...operation, place: placeOf('!nowhere:hs.test') }), {
      failure: 'rejected',
    })
    assert.equal(bot.store.list('upload:').length, 1)
    await writeFile(path, 'second')
    await bot.start()
    const ref = await bot.deliver(operation)
    const event = await owner.waitForEvent(room, 'the file', ({ event_id: id }) => id === ref)
    const bytes = await owner.download(String(event.content['url']))
    assert.equal(Buffer.from(bytes).toString(), 'first')
  })

  test('a file that is too large, gone, or another one by now is named in its place', async (t) => {
    const { bot, owner, room } = await meet(t)
    const large = await fileOf(bot, 'large.bin', Buffer.alloc(2 * 1024 * 1024))
    const first = await show(bot, owner, room, large, 'application/zip')
    const words =
      '📎 large.bin could not be sent. It has 2.0 MB, and the homeserver takes at most 1.0 MB (max_upload_size on Synapse).'
    assert.deepEqual([first.content['msgtype'], first.content['body']], ['m.notice', words])
    const gone = await fileOf(bot, 'gone.txt', Buffer.from('x'))
    await rm(gone)
    const second = await show(bot, owner, room, gone, 'text/plain')
    assert.equal(second.content['body'], '📎 gone.txt could not be sent. It is not there any more.')
    await symlink('/etc/passwd', gone)
    const third = await show(bot, owner, room, gone, 'text/plain', 'again')
    assert.equal(third.content['body'], '📎 gone.txt could not be sent. It is not there any more.')
  })
})

async function fetched(bot: TestBot, attachment: Attachment): Promise<Attachment> {
  const here = await bot.transport.fetch?.(attachment, placeOf(''), AbortSignal.timeout(20_000))
  return here ?? assert.fail('Matrix fetches files')
}

function refusal(words: RegExp): (error: unknown) => boolean {
  return (error) => error instanceof UserError && words.test(error.message)
}

async function fileOf(bot: TestBot, name: string, bytes: Uint8Array): Promise<string> {
  const folder = join(await realpath(bot.home), 'workspace')
  await mkdir(folder, { recursive: true })
  await writeFile(join(folder, name), bytes)
  return join(folder, name)
}

function post(room: string, path: string, mimeType: string, key: string) {
  const content = { kind: 'file', path, name: basename(path), mimeType, size: 5 }
  return { type: 'post', place: placeOf(room), content, key, notify: true } as const
}

async function show(
  bot: TestBot,
  owner: MatrixPerson,
  room: string,
  path: string,
  mimeType: string,
  key = path,
): Promise<MatrixEvent> {
  const ref = await bot.deliver(post(room, path, mimeType, key))
  return owner.waitForEvent(room, 'the file', ({ event_id: id }) => id === ref)
}
