import assert from 'node:assert/strict'
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join, relative } from 'node:path'
import { describe, test } from 'node:test'
import type { Attachment, Message, Place } from '../../core/message.ts'
import { DeliveryError, type Operation } from '../../core/transport.ts'
import { UserError } from '../../core/user-error.ts'
import type { Part, View } from '../../core/view.ts'
import { Stage, type StageOptions } from './stage.fake.ts'

const owner = 4711
const place: Place = { key: `tg:${owner}`, transport: 'telegram', chat: String(owner) }
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const png = new Uint8Array([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 1, 2, 3])

class Desk implements AsyncDisposable {
  readonly home = realpathSync(mkdtempSync(join(tmpdir(), 'ductor-files-')))
  readonly stage: Stage

  static async open(options: StageOptions = {}): Promise<Desk> {
    const desk = new Desk(await Stage.open({ ...options, home: '' }), options)
    desk.stage.network.person(owner).starts()
    return desk
  }

  constructor(stage: Stage, options: StageOptions) {
    // To the budget of the chat, two seconds lie between its looks at the clock.
    let clock = Date.now()
    const now = (): number => (clock += 2000)
    this.stage = new Stage(stage.network, { ...options, home: this.home, now })
  }

  file(name: string, content: Uint8Array): Extract<Part, { kind: 'file' }> {
    const path = join(this.home, name)
    writeFileSync(path, content)
    return { kind: 'file', path, name, mimeType: typeOf(name), size: content.length }
  }

  /** Posts all messages of a turn that has said this and given these files. */
  async give(text: string, ...files: readonly Part[]): Promise<readonly string[]> {
    const parts: Part[] = [...(text === '' ? [] : [{ kind: 'text', text } as const]), ...files]
    const view: View = { state: 'ended', parts, choices: [] }
    const refs: string[] = []
    for (const [index, content] of this.stage.transport.render(view).entries()) {
      const operation: Operation = { type: 'post', place, content, key: `${text}/${index}`, notify: true }
      refs.push(await this.stage.transport.deliver(operation, this.stage.signal))
    }
    return refs
  }

  async heard(count = 1): Promise<Message> {
    const message = (await this.stage.taken(count)).at(-1)
    if (message?.kind !== 'message') assert.fail('no message was heard')
    return message
  }

  fetch(attachment: Attachment | undefined): Promise<Attachment> {
    if (attachment === undefined) assert.fail('there is no attachment')
    return this.stage.transport.fetch(attachment, place, this.stage.signal)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stage[Symbol.asyncDispose]()
    rmSync(this.home, { recursive: true, force: true })
  }
}

const types: Readonly<Record<string, string>> = {
  png: 'image/png',
  mp4: 'video/mp4',
  mp3: 'audio/mpeg',
  ogg: 'audio/ogg',
  gif: 'image/gif',
}
function typeOf(name: string): string {
  return types[name.split('.').at(-1) ?? ''] ?? 'application/octet-stream'
}

describe('a file that came on Telegram', () => {
  test('is brought into telegram_files, by the day, under a harmless name', async () => {
    await using desk = await Desk.open()
    const { stage, home } = desk
    await stage.connect()
    const person = stage.network.person(owner)
    person.sends('document', {
      name: '../../etc/pass wd;$(rm).PDF',
      bytes: bytes('all of it'),
      mime_type: 'application/pdf',
      caption: 'read this',
    })
    const message = await desk.heard()
    assert.equal(message.text, 'read this')
    const got = await desk.fetch(message.attachments?.[0])
    const day = new Date().toISOString().slice(0, 10)
    assert.match(
      relative(home, got.path ?? ''),
      new RegExp(`^workspace/telegram_files/${day}/[\\w-]+\\.PDF$`),
    )
    assert.equal(readFileSync(got.path ?? '', 'utf8'), 'all of it')
    assert.equal(got.size, 9)
    assert.equal(statSync(got.path ?? '').mode & 0o077, 0, 'nobody else reads it')
  })

  test('has its kind; what is no file comes as words', async () => {
    await using desk = await Desk.open()
    const { network } = desk.stage
    await desk.stage.connect()
    const person = network.person(owner)
    const kinds = ['photo', 'voice', 'audio', 'video', 'video_note', 'animation', 'sticker', 'document']
    for (const kind of kinds)
      person.sends(kind, { name: 'x', bytes: bytes(kind), ...(kind === 'sticker' ? { emoji: '🙂' } : {}) })
    const heard = await desk.stage.taken(kinds.length)
    assert.deepEqual(
      heard.map((message) => message.kind === 'message' && message.attachments?.[0]?.kind),
      ['picture', 'voice', 'audio', 'video', 'video', 'video', 'sticker', 'file'],
    )
    const first = heard[0]
    assert.ok(first?.kind === 'message')
    assert.equal(readFileSync((await desk.fetch(first.attachments?.[0])).path ?? '', 'utf8'), 'photo')
    const words = [
      [{ location: { latitude: 52.5, longitude: 13.4 } }, 'Location: 52.5, 13.4'],
      [{ contact: { phone_number: '+1', first_name: 'Bo' } }, 'Contact: Bo, +1'],
      [{ poll: { question: 'A or B?', options: [{ text: 'A' }, { text: 'B' }] } }, 'Poll: A or B?\n- A\n- B'],
      [{ story: {} }, '(A message of a kind that ductor cannot read yet: story)'],
    ] as const
    for (const [extra] of words) person.writes('', { extra: { text: undefined, ...extra } })
    const all = await desk.stage.taken(kinds.length + words.length)
    assert.deepEqual(
      all.slice(kinds.length).map((message) => message.kind === 'message' && message.text),
      words.map(([, text]) => text),
    )
  })

  test('comes as a part where it is one of an album or was passed on, with who wrote it first', async () => {
    await using desk = await Desk.open()
    await desk.stage.connect()
    const person = desk.stage.network.person(owner)
    for (const name of ['a', 'b']) {
      person.sends('photo', { name, bytes: bytes(name) }, { extra: { media_group_id: '77' } })
    }
    const origins = [
      [{ type: 'user', sender_user: { id: 1, is_bot: false, first_name: 'Ann' } }, 'Ann'],
      [{ type: 'hidden_user', sender_user_name: 'Somebody' }, 'Somebody'],
      [{ type: 'channel', chat: { id: -1001, type: 'channel', title: 'News' } }, 'News'],
    ] as const
    for (const [origin] of origins) person.writes('passed on', { extra: { forward_origin: origin } })
    person.writes('x'.repeat(4096))
    person.writes('and alone')
    const heard = await desk.stage.taken(7)
    assert.deepEqual(
      heard.map((message) => message.kind === 'message' && message.partial === true),
      [true, true, true, true, true, true, false],
    )
    assert.deepEqual(
      heard.slice(2, 5).map((message) => message.kind === 'message' && message.forwardedFrom),
      origins.map(([, name]) => name),
    )
  })

  test('that is too large is told in words that help; a server of one’s own gives it', async () => {
    await using desk = await Desk.open({ limits: { flood: false, downloadBytes: 10 } })
    const { stage } = desk
    await stage.connect()
    stage.network.person(owner).sends('video', { name: 'long.mp4', bytes: bytes('x'.repeat(11)) })
    const { attachments } = await desk.heard()
    await assert.rejects(desk.fetch(attachments?.[0]), (error) => {
      assert.ok(error instanceof UserError)
      assert.match(error.message, /“long.mp4”.*20 MB.*telegram_api_root/)
      return true
    })
    stage.network.world.files.localFolder = desk.home
    const got = await desk.fetch(attachments?.[0])
    assert.equal(readFileSync(got.path ?? '', 'utf8'), 'x'.repeat(11))
  })

  test('is fetched again when the way breaks, never half, and never with the token in a word', async () => {
    await using desk = await Desk.open()
    const { stage } = desk
    await stage.connect()
    stage.network.person(owner).sends('document', { name: 'a.txt', bytes: bytes('whole') })
    const { attachments } = await desk.heard()
    for (const how of ['half-answer', 'dropped'] as const) {
      stage.network.breaks('file', { how })
      const got = await desk.fetch(attachments?.[0])
      assert.equal(readFileSync(got.path ?? '', 'utf8'), 'whole')
    }
    stage.network.breaks('file', { how: 'dropped' }, 9)
    const error: unknown = await desk.fetch(attachments?.[0]).catch((reason: unknown) => reason)
    assert.ok(error instanceof UserError)
    assert.match(error.message, /Please send it again/)
    assert.ok(!stage.everythingSaid(error).includes(stage.network.token))
  })
})

describe('a file for Telegram', () => {
  test('is sent the way that shows it best, after the words, one message each', async () => {
    await using desk = await Desk.open()
    const { network } = desk.stage
    await desk.give(
      'Here:',
      desk.file('a.png', png),
      desk.file('b.mp4', bytes('video')),
      desk.file('c.mp3', bytes('music')),
      desk.file('d.ogg', bytes('OggS voice')),
      desk.file('e.gif', bytes('GIF89a')),
      desk.file('f;"g.txt', bytes('words')),
    )
    const [words, ...files] = network.posts(owner)
    assert.equal(words?.text, 'Here:')
    assert.deepEqual(
      files.map((message) =>
        ['photo', 'video', 'audio', 'voice', 'animation', 'document'].find(
          (kind) => message[kind] !== undefined,
        ),
      ),
      ['photo', 'video', 'audio', 'voice', 'animation', 'document'],
    )
    assert.deepEqual(
      files.map(({ caption }) => caption),
      ['a.png', 'b.mp4', undefined, 'd.ogg', 'e.gif', undefined],
    )
    assert.match(JSON.stringify(files.at(-1)), /f;/)
    assert.deepEqual(network.lints, [])
  })

  test('is not part of what runs: files come when all is said', async () => {
    await using desk = await Desk.open()
    const file = desk.file('a.txt', bytes('a'))
    const { transport } = desk.stage
    const parts: Part[] = [{ kind: 'text', text: 'one' }, file, { kind: 'text', text: 'two' }]
    assert.equal(transport.render({ state: 'working', parts, choices: [] }).length, 1)
    const ended = transport.render({ state: 'ended', parts, choices: [{ token: 't', label: 'Yes' }] })
    assert.deepEqual(
      ended.map((content) => [content['kind'], content['reply_markup'] !== undefined]),
      [
        [undefined, true],
        ['file', false],
      ],
    )
  })

  test('has a name under it that Telegram takes as it is, however long or strange', async () => {
    await using desk = await Desk.open()
    const strange = desk.file('A\u030A\tb.png', png)
    const long = desk.file(`${'a'.repeat(191)}${'👍'.repeat(14)}.png`, png)
    await desk.give('', strange, long)
    const [first, second] = desk.stage.network.posts(owner)
    assert.equal(first?.caption, 'Å b.png')
    assert.equal(second?.caption, `${'a'.repeat(191)}${'👍'.repeat(8)}…`)
    assert.deepEqual(desk.stage.network.lints, [])
  })

  test('that no picture can be made of, or a very long one, goes as a document', async () => {
    await using desk = await Desk.open()
    const long = new Uint8Array(24)
    long.set(png)
    new DataView(long.buffer).setUint32(16, 100)
    new DataView(long.buffer).setUint32(20, 9000)
    await desk.give('', desk.file('broken.png', bytes('not a picture')))
    await desk.give('', desk.file('long.png', long))
    assert.equal(desk.stage.network.posts(owner).filter((post) => post['document'] !== undefined).length, 2)
  })

  test('goes as a document to a group that takes no pictures, and is named where it takes no files', async () => {
    await using desk = await Desk.open()
    const { network, transport, signal } = desk.stage
    const group = network.group(-1001)
    const there: Place = { key: 'tg:-1001', transport: 'telegram', chat: '-1001' }
    const give = async (name: string): Promise<void> => {
      const view: View = { state: 'ended', parts: [desk.file(name, png)], choices: [] }
      const [content = {}] = transport.render(view)
      await transport.deliver({ type: 'post', place: there, content, key: name, notify: true }, signal)
    }
    group.forbids('photo')
    await give('a.png')
    group.forbids('document')
    await give('b.png')
    const [first, second] = network.posts(-1001)
    assert.ok(first?.['document'] !== undefined)
    assert.match(second?.text ?? '', /“b.png” could not be sent.*not enough rights to send documents/)
  })

  test('is not sent where a link has taken its place, or that of its folder, since it was named', async () => {
    await using desk = await Desk.open()
    mkdirSync(join(desk.home, 'elsewhere'))
    mkdirSync(join(desk.home, 'folder'))
    desk.file('elsewhere/in-folder.txt', bytes('a secret'))
    const secret = desk.file('elsewhere/secret.txt', bytes('a secret'))
    const [linked, inside] = [
      desk.file('linked.txt', bytes('x')),
      desk.file('folder/in-folder.txt', bytes('x')),
    ]
    rmSync(linked.path)
    symlinkSync(secret.path, linked.path)
    renameSync(join(desk.home, 'folder'), join(desk.home, 'moved'))
    symlinkSync(join(desk.home, 'elsewhere'), join(desk.home, 'folder'))
    await desk.give('', linked, inside, desk.file('good.txt', bytes('good')))
    const [shown, more] = desk.stage.network.posts(owner)
    assert.match(JSON.stringify(shown?.['document']), /good.txt/)
    assert.match(shown?.caption ?? '', /“linked.txt” could not be sent. A link has taken its place/)
    assert.match(shown?.caption ?? '', /in-folder.txt” could not be sent. A link has taken its place/)
    assert.equal(more, undefined)
  })

  test('that is gone, empty or too large is said in the chat, and the next one comes all the same', async () => {
    await using desk = await Desk.open({ limits: { flood: false, uploadBytes: 1_000_000 } })
    const gone = desk.file('gone.txt', bytes('x'))
    rmSync(gone.path)
    const large = desk.file('large.bin', bytes('x'))
    truncateSync(large.path, 2_000_000)
    await desk.give(
      '',
      gone,
      desk.file('empty.txt', bytes('')),
      { ...large, size: 2_000_000 },
      desk.file('good.txt', bytes('good')),
    )
    const [shown, more] = desk.stage.network.posts(owner)
    assert.match(JSON.stringify(shown?.['document']), /good.txt/)
    const [first = '', second = '', third = ''] = (shown?.caption ?? '').split('\n')
    assert.match(first, /“gone.txt” could not be sent. It is not there any more/)
    assert.match(second, /“empty.txt” could not be sent. It is empty/)
    assert.match(third, /“large.bin” could not be sent. It has 2 MB, and Telegram takes 50 MB/)
    assert.equal(more, undefined)
    await desk.give('', gone)
    assert.match(desk.stage.network.posts(owner).at(-1)?.text ?? '', /^⚠️ “gone.txt” could not be sent/)
  })

  test('whose answer was lost is found, not sent again', async () => {
    await using desk = await Desk.open()
    const { stage } = desk
    stage.network.person(owner).writes('go')
    await stage.connect()
    await stage.taken(1)
    for (const [name, method] of [
      ['a.png', 'sendPhoto'],
      ['b.txt', 'sendDocument'],
    ] as const) {
      stage.network.breaks(method, { how: 'answer-lost' })
      const file = desk.file(name, png)
      const [content = {}] = stage.transport.render({ state: 'ended', parts: [file], choices: [] })
      const operation = { type: 'post', place, content, key: name, notify: true } as const
      const error: unknown = await stage.transport.deliver(operation, stage.signal).catch((e: unknown) => e)
      assert.ok(error instanceof DeliveryError && error.failure === 'unknown')
      const known = new Set<string>()
      const found = await stage.transport.find(operation, known, stage.signal)
      assert.equal(found, String(stage.network.posts(owner).at(-1)?.message_id))
      assert.equal(basename(file.path), name)
    }
  })
})

describe('several files for Telegram', () => {
  const kindOf = (message: Readonly<Record<string, unknown>>): string | undefined =>
    ['photo', 'video', 'audio', 'document', 'voice', 'text'].find((kind) => message[kind] !== undefined)
  const albums = (desk: Desk): readonly (readonly (string | undefined)[])[] => {
    const all = Map.groupBy(
      desk.stage.network.posts(owner),
      (message) => message['media_group_id'] ?? message,
    )
    return [...all.values()].map((messages) => messages.map(kindOf))
  }

  test('that are shown alike come as an album, in their order; a voice message comes alone', async () => {
    await using desk = await Desk.open()
    await desk.give(
      'Here:',
      desk.file('a.png', png),
      desk.file('b.mp4', bytes('video')),
      desk.file('c.txt', bytes('words')),
      desk.file('d.pdf', bytes('more')),
      desk.file('e.ogg', bytes('OggS')),
      desk.file('f.mp3', bytes('music')),
      desk.file('g.mp3', bytes('more music')),
    )
    assert.deepEqual(albums(desk), [
      ['text'],
      ['photo', 'video'],
      ['document', 'document'],
      ['voice'],
      ['audio', 'audio'],
    ])
    assert.equal(desk.stage.network.calls('sendMediaGroup').length, 3)
    const captions = desk.stage.network.posts(owner).map(({ caption }) => caption)
    assert.deepEqual(captions.slice(1, 5), ['a.png', 'b.mp4', undefined, undefined])
    assert.deepEqual(desk.stage.network.lints, [])
  })

  test('are ten in an album at most, and no more than a call may carry', async () => {
    await using desk = await Desk.open()
    const files = Array.from({ length: 12 }, (_, index) => desk.file(`${index}.txt`, bytes('x')))
    const large = Array.from({ length: 3 }, (_, index) => ({
      ...desk.file(`large-${index}.png`, png),
      size: 9_000_000,
    }))
    const heavy = { ...desk.file('heavy.mp4', bytes('v')), size: 40_000_000 }
    const view: View = { state: 'ended', parts: [...files, ...large, heavy], choices: [] }
    assert.deepEqual(
      desk.stage.transport.render(view).map(({ files: together }) => [together].flat().length),
      [10, 2, 3, 1],
    )
  })

  test('of which some cannot be sent: the others come, and the first of them says so', async () => {
    await using desk = await Desk.open()
    const gone = desk.file('gone.png', png)
    rmSync(gone.path)
    await desk.give('', gone, desk.file('a.png', png), desk.file('b.png', png))
    const [first, second] = desk.stage.network.posts(owner)
    assert.equal(first?.caption, 'a.png\n⚠️ “gone.png” could not be sent. It is not there any more.')
    assert.equal(second?.caption, 'b.png')
    await desk.give('', gone, desk.file('empty.png', bytes('')))
    const words = desk.stage.network.posts(owner).at(-1)?.text ?? ''
    assert.match(words, /^⚠️ “gone.png” could not be sent.*\n⚠️ “empty.png” could not be sent. It is empty.$/)
  })

  test('one of which is no picture go as documents, all of them', async () => {
    await using desk = await Desk.open()
    await desk.give('', desk.file('a.png', png), desk.file('broken.png', bytes('not a picture')))
    assert.deepEqual(albums(desk), [['document', 'document']])
  })

  test('whose answer was lost are found by the first of them, and none is sent again', async () => {
    await using desk = await Desk.open()
    const { stage } = desk
    stage.network.person(owner).writes('go')
    await stage.connect()
    await stage.taken(1)
    for (const names of [
      ['a.png', 'b.png'],
      ['c.txt', 'd.txt'],
      ['empty.png', 'e.png', 'f.png'],
    ]) {
      stage.network.breaks('sendMediaGroup', { how: 'answer-lost' })
      const parts = names.map((name) => desk.file(name, name.startsWith('empty') ? bytes('') : png))
      const [content = {}] = stage.transport.render({ state: 'ended', parts, choices: [] })
      const operation = { type: 'post', place, content, key: names.join(), notify: true } as const
      const error: unknown = await stage.transport.deliver(operation, stage.signal).catch((e: unknown) => e)
      assert.ok(error instanceof DeliveryError && error.failure === 'unknown')
      const found = await stage.transport.find(operation, new Set(), stage.signal)
      assert.equal(found, String(stage.network.posts(owner).at(-2)?.message_id))
    }
    assert.deepEqual(albums(desk), [
      ['photo', 'photo'],
      ['document', 'document'],
      ['photo', 'photo'],
    ])
    assert.match(stage.network.posts(owner).at(-2)?.caption ?? '', /^e.png\n⚠️ “empty.png”/)
  })

  test('count as so many messages: after an album the chat rests for its budget, not for a penalty', async () => {
    await using desk = await Desk.open({ limits: {} })
    const files = Array.from({ length: 10 }, (_, index) => desk.file(`${index}.txt`, bytes('x')))
    await desk.give('', ...files)
    const again = desk.give('again', ...files)
    await assert.rejects(again, (error) => error instanceof DeliveryError && error.failure === 'rate-limited')
    assert.ok(desk.stage.network.calls('sendMediaGroup').every(({ outcome }) => outcome?.ok === true))
  })
})
