import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Wire } from './telegram-client.fake.ts'
import { networkLimits } from './telegram-limits.fake.ts'

const bytes = (text: string): Uint8Array<ArrayBuffer> => new TextEncoder().encode(text)
const png = new Uint8Array([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a])

/** The beginning of a picture: as much as says how large it is. */
function pngOf(width: number, height: number): Uint8Array<ArrayBuffer> {
  const head = new DataView(new ArrayBuffer(24))
  for (const [at, byte] of png.entries()) head.setUint8(at, byte)
  head.setUint32(16, width)
  head.setUint32(20, height)
  return new Uint8Array(head.buffer)
}

/** Uploads a file, or several by the names of their parts, as any client would; gives the HTTP status and the answer. */
async function upload(
  wire: Wire,
  kind: string,
  content: Uint8Array<ArrayBuffer> | string | Readonly<Record<string, Uint8Array<ArrayBuffer>>>,
  more: Readonly<Record<string, unknown>> = {},
): Promise<{ status: number; description?: string; result?: Record<string, unknown> }> {
  const form = new FormData()
  form.set('chat_id', '5')
  for (const [key, value] of Object.entries(more)) {
    form.set(key, typeof value === 'string' ? value : JSON.stringify(value))
  }
  const parts = typeof content === 'string' || content instanceof Uint8Array ? { [kind]: content } : content
  for (const [name, part] of Object.entries(parts)) {
    if (typeof part === 'string') form.set(name, part)
    else form.set(name, new Blob([part]), 'a file.bin')
  }
  const method = `send${kind.charAt(0).toUpperCase()}${kind.slice(1)}`
  const { apiRoot, token } = wire.network
  const response = await fetch(`${apiRoot}/bot${token}/${method}`, { method: 'POST', body: form })
  return { status: response.status, ...JSON.parse(await response.text()) }
}

describe('the fake network: files', () => {
  test('go up to 50 MB, photos to 10 and only as pictures, none of them empty', async () => {
    await using wire = await Wire.start({ limits: { flood: false, uploadBytes: 1000, photoBytes: 20 } })
    wire.network.person(5).starts()
    assert.equal((await upload(wire, 'photo', png)).status, 200)
    assert.match((await upload(wire, 'photo', bytes('no picture'))).description ?? '', /IMAGE_PROCESS_FAILED/)
    assert.match((await upload(wire, 'photo', bytes('x'.repeat(21)))).description ?? '', /too big/)
    assert.match((await upload(wire, 'document', bytes(''))).description ?? '', /must be non-empty/)
    assert.equal((await upload(wire, 'document', bytes('x'.repeat(20_000)))).status, 413)
  })

  test('are known by an id that says their kind, and by no part that did not come', async () => {
    await using wire = await Wire.start()
    wire.network.person(5).starts()
    const id = wire.network.world.files.keep('document', 'a', bytes('a')).id
    assert.equal((await upload(wire, 'document', id)).status, 200)
    assert.match(
      (await upload(wire, 'photo', id)).description ?? '',
      /can't use file of type document as photo/,
    )
    assert.match((await upload(wire, 'document', 'attach://x')).description ?? '', /wrong file identifier/)
  })

  test('have captions of 1,024 characters, and voices are Ogg', async () => {
    await using wire = await Wire.start()
    wire.network.person(5).starts()
    const long = { caption: 'x'.repeat(1025) }
    assert.match((await upload(wire, 'document', bytes('a'), long)).description ?? '', /too long/)
    await upload(wire, 'voice', bytes('RIFF'))
    assert.match(wire.network.lints.join(), /no Ogg/)
  })

  test('are fetched over a link for an hour, up to 20 MB; a server of one’s own names places on its disk', async () => {
    await using wire = await Wire.start({ limits: { flood: false, downloadBytes: 10 } })
    const { network } = wire
    network.world.freeze()
    const small = network.world.files.keep('document', 'a', bytes('small'))
    const large = network.world.files.keep('document', 'b', bytes('larger than ten'))
    await wire.refused('getFile', { file_id: large.id }, /file is too big/)
    await wire.refused('getFile', { file_id: 'nothing' }, /wrong file_id/)
    const { result } = await wire.call('getFile', { file_id: small.id })
    const link = `${network.apiRoot}/file/bot${network.token}/${String(result['file_path'])}`
    assert.equal(await (await fetch(link)).text(), 'small')
    assert.equal((await fetch(link.replace(network.token, '1:AAAAAAAAAA'))).status, 401)
    network.world.advance(3_600_001)
    assert.equal((await fetch(link)).status, 404)
    network.world.files.localFolder = '/tmp'
    const local = await wire.call('getFile', { file_id: large.id })
    assert.match(String(local.result['file_path']), /^\/tmp\//)
  })

  test('go as an album of one kind, ten at most', async () => {
    await using wire = await Wire.start()
    wire.network.person(5).starts()
    const photo = wire.network.world.files.keep('photo', 'a', png).id
    const document = wire.network.world.files.keep('document', 'b', bytes('b')).id
    const item = (type: string, media: string) => ({ type, media })
    const album = (...media: object[]) => ({ chat_id: 5, media })
    await wire.call('sendMediaGroup', album(item('photo', photo), item('photo', photo)))
    assert.equal(wire.network.posts(5).length, 2)
    await wire.refused('sendMediaGroup', album(), /wrong number/)
    const many = Array.from({ length: 11 }, () => item('photo', photo))
    await wire.refused('sendMediaGroup', album(...many), /wrong number/)
    const mixed = album(item('photo', photo), item('document', document))
    await wire.refused('sendMediaGroup', mixed, /can't mix/)
    await wire.refused('sendMediaGroup', album(item('voice', photo)), /type of media is not supported/)
    const [first, second] = wire.network.posts(5)
    assert.equal(typeof first?.['media_group_id'], 'string')
    assert.equal(first?.['media_group_id'], second?.['media_group_id'])
  })

  test('come to an album as parts of its request, and where one is refused, none is shown', async () => {
    await using wire = await Wire.start()
    wire.network.person(5).starts()
    const item = (part: string) => ({ type: 'photo', media: `attach://${part}`, caption: part })
    const parts = { a: png, b: png }
    assert.equal((await upload(wire, 'mediaGroup', parts, { media: [item('a'), item('b')] })).status, 200)
    assert.deepEqual(
      wire.network.posts(5).map(({ caption }) => caption),
      ['a', 'b'],
    )
    const without = await upload(wire, 'mediaGroup', { a: png }, { media: [item('a'), item('b')] })
    assert.match(without.description ?? '', /has not come with the request/)
    const broken = await upload(
      wire,
      'mediaGroup',
      { a: png, b: bytes('x') },
      { media: [item('a'), item('b')] },
    )
    assert.match(broken.description ?? '', /IMAGE_PROCESS_FAILED/)
    const long = { ...item('b'), caption: 'x'.repeat(1025) }
    const wordy = await upload(wire, 'mediaGroup', parts, { media: [item('a'), long] })
    assert.match(wordy.description ?? '', /message is too long/)
    const parsed = { ...item('b'), parse_mode: 'HTML' }
    const strange = await upload(wire, 'mediaGroup', parts, { media: [item('a'), parsed] })
    assert.match(strange.description ?? '', /wrong parameter media/)
    assert.equal(wire.network.posts(5).length, 2)
    assert.deepEqual(wire.network.lints, [])
    await upload(wire, 'mediaGroup', { a: png, c: png }, { media: [item('a')] })
    assert.deepEqual(wire.network.lints, ['sendMediaGroup has no parameter c'])
  })

  test('count one by one where they come as an album, and have to fit in whole', async () => {
    await using wire = await Wire.start({ limits: {} })
    wire.network.world.freeze()
    wire.network.person(5).starts()
    const media = ['a', 'b', 'c'].map((name) => ({
      type: 'photo',
      media: wire.network.world.files.keep('photo', name, png).id,
    }))
    assert.ok((await wire.call('sendMediaGroup', { chat_id: 5, media })).ok)
    await wire.refused('sendMediaGroup', { chat_id: 5, media }, /Too Many Requests/, 429)
    wire.network.world.advance(5001)
    const many = Array.from({ length: 10 }, () => media[0])
    assert.ok((await wire.call('sendMediaGroup', { chat_id: 5, media: many })).ok)
    await wire.refused('sendMessage', { chat_id: 5, text: 'x' }, /Too Many Requests/, 429)
  })

  test('have captions that are edited only into something else; words have none', async () => {
    await using wire = await Wire.start()
    wire.network.person(5).starts()
    const { result } = await upload(wire, 'document', bytes('a'))
    const id = result?.['message_id']
    const words = await wire.call('sendMessage', { chat_id: 5, text: 'words' })
    const edit = (message_id: unknown, caption?: string) => ({ chat_id: 5, message_id, caption })
    await wire.refused('editMessageCaption', edit(id), /not modified/)
    assert.equal((await wire.call('editMessageCaption', edit(id, 'new'))).ok, true)
    await wire.refused('editMessageCaption', edit(words.result.message_id), /no caption in the message/)
    await wire.refused('editMessageText', { ...edit(id), text: 'x' }, /no text in the message/)
  })

  test('are no photos where they are too large or too long to look at, but documents', async () => {
    await using wire = await Wire.start()
    wire.network.person(5).starts()
    for (const [width, height] of [
      [6000, 4001],
      [2001, 100],
      [0, 5],
    ] as const) {
      const picture = pngOf(width, height)
      assert.match((await upload(wire, 'photo', picture)).description ?? '', /PHOTO_INVALID_DIMENSIONS/)
      assert.equal((await upload(wire, 'document', picture)).status, 200)
    }
    assert.equal((await upload(wire, 'photo', pngOf(6000, 4000))).status, 200)
    assert.equal((await upload(wire, 'photo', pngOf(2000, 100))).status, 200)
  })

  test('have captions with looks, to which the laws of texts apply', async () => {
    await using wire = await Wire.start()
    wire.network.person(5).starts()
    const caption_entities = [{ type: 'bold', offset: 0, length: 3 }]
    const good = await upload(wire, 'document', bytes('a'), { caption: 'abc', caption_entities })
    assert.deepEqual(good.result?.['caption_entities'], caption_entities)
    const bad = await upload(wire, 'document', bytes('a'), { caption: 'ab', caption_entities })
    assert.match(bad.description ?? '', /ends after the end of the text/)
    const edit = { chat_id: 5, message_id: good.result?.['message_id'], caption: 'ab', caption_entities }
    await wire.refused('editMessageCaption', edit, /ends after the end of the text/)
    await wire.refused('editMessageCaption', { ...edit, caption: 'abc' }, /not modified/)
    assert.ok((await wire.call('editMessageCaption', { ...edit, caption: 'abcd' })).ok)
  })

  test('come with the limits that are known', () => {
    const { uploadBytes, photoBytes, downloadBytes, fileLinkMs } = networkLimits
    assert.deepEqual([uploadBytes, photoBytes, downloadBytes], [50_000_000, 10_000_000, 20_000_000])
    assert.equal(fileLinkMs, 3_600_000)
  })
})
