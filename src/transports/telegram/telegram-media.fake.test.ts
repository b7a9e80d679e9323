import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Wire } from './telegram-client.fake.ts'

const bytes = (text: string): Uint8Array<ArrayBuffer> => new TextEncoder().encode(text)
const png = new Uint8Array([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a])

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
})

describe('the fake network: what is shown without a message', () => {
  test('drafts are for private chats, have a number, live 30 s, and end with the next message', async () => {
    await using wire = await Wire.start()
    const { network } = wire
    network.world.freeze()
    network.person(5).starts()
    network.group(-1001)
    const draft = (more: object = {}) => ({ chat_id: 5, draft_id: 7, text: 'a', ...more })
    await wire.refused('sendMessageDraft', draft({ chat_id: -1001 }), /TEXTDRAFT_PEER_INVALID/)
    await wire.refused('sendMessageDraft', draft({ draft_id: 0 }), /DRAFT_ID_INVALID/)
    await wire.call('sendMessageDraft', draft())
    assert.equal(network.draft(5)?.text, 'a')
    await wire.call('sendMessageDraft', draft({ text: '' }))
    assert.equal(network.draft(5)?.text, '')
    network.world.advance(30_001)
    assert.equal(network.draft(5), undefined)
    await wire.call('sendMessageDraft', draft())
    assert.match(network.lints.join(), /goes on after it has expired/)
    await wire.call('sendMessage', { chat_id: 5, text: 'the end' })
    assert.equal(network.draft(5), undefined)
    network.world.offersDrafts = false
    await wire.refused('sendMessageDraft', draft(), /method not found/, 404)
  })

  test('a draft can be stopped where it says so, and does not go on then', async () => {
    await using wire = await Wire.start()
    const { network } = wire
    const person = network.person(5).starts()
    await wire.call('sendMessageDraft', { chat_id: 5, draft_id: 7, text: 'a' })
    assert.throws(() => person.stops(), /nothing to stop/)
    await wire.call('sendMessageDraft', { chat_id: 5, draft_id: 7, text: 'ab', can_stop: true })
    person.stops()
    const { result } = await wire.call('getUpdates')
    assert.match(JSON.stringify(result), /"stopped_message_generation":\{"chat":\{"id":5.*"draft_id":7/)
    await wire.call('sendMessageDraft', { chat_id: 5, draft_id: 7, text: 'abc', can_stop: true })
    assert.match(network.lints.join(), /goes on after its stop/)
  })

  test('drafts have a budget of their own', async () => {
    await using wire = await Wire.start({ limits: {} })
    wire.network.person(5).starts()
    for (let n = 0; n < 20; n += 1)
      await wire.call('sendMessageDraft', { chat_id: 5, draft_id: 7, text: `${n}` })
    await wire.refused('sendMessageDraft', { chat_id: 5, draft_id: 7, text: 'x' }, /Too Many Requests/, 429)
    assert.equal((await wire.call('sendMessage', { chat_id: 5, text: 'a message' })).ok, true)
  })

  test('reactions are of 73 emoji, one of the bot on a message', async () => {
    await using wire = await Wire.start()
    const id = wire.network.person(5).writes('hello')
    const react = (...emoji: string[]) => ({
      chat_id: 5,
      message_id: id,
      reaction: emoji.map((one) => ({ type: 'emoji', emoji: one })),
    })
    for (const good of ['👀', '✍', '💔', '👍'])
      assert.ok((await wire.call('setMessageReaction', react(good))).ok)
    for (const bad of ['✅', '❌', '⏳']) {
      await wire.refused('setMessageReaction', react(bad), /REACTION_INVALID/)
    }
    await wire.refused('setMessageReaction', react('👀', '👍'), /REACTIONS_TOO_MANY/)
    await wire.refused('setMessageReaction', { ...react(), message_id: 99 }, /message to react not found/)
    await wire.call('setMessageReaction', react())
    assert.equal(wire.network.reaction(5, id), undefined)
  })
})

describe('the fake network: chats', () => {
  test('private ones have topics where their owner has switched them on', async () => {
    await using wire = await Wire.start()
    const topic = wire.network.person(5).topic('Taxes')
    const send = { chat_id: 5, text: 'a', message_thread_id: topic }
    assert.equal((await wire.call('sendMessage', send)).result.message_thread_id, topic)
    await wire.refused('sendMessage', { ...send, message_thread_id: 77 }, /message thread not found/)
    wire.network.world.topicsInPrivate = false
    await wire.refused('sendMessage', send, /message thread not found/)
  })

  test('a group that has moved says where to, whatever is asked of it', async () => {
    await using wire = await Wire.start()
    wire.network.group(-8).moves(-1008)
    const { parameters } = await wire.refused('getChat', { chat_id: -8 }, /upgraded to a supergroup/)
    assert.equal(parameters?.migrate_to_chat_id, -1008)
    assert.match(JSON.stringify((await wire.call('getUpdates')).result), /migrate_from_chat_id":-8/)
  })

  test('commands are kept by scope, and there are scopes that do not exist', async () => {
    await using wire = await Wire.start()
    const commands = [{ command: 'new', description: 'Begin' }]
    await wire.call('setMyCommands', { commands, scope: { type: 'all_group_chats' } })
    assert.deepEqual([...wire.network.world.commands.keys()], ['all_group_chats'])
    await wire.refused('setMyCommands', { commands, scope: { type: 'nowhere' } }, /BotCommandScope/)
    await wire.refused('setMyCommands', { commands, language_code: 'German' }, /language code/)
  })

  test('waiting updates are counted for whoever asks', async () => {
    await using wire = await Wire.start()
    wire.network.person(5).writes('one')
    const { result } = await wire.call('getWebhookInfo')
    assert.match(JSON.stringify(result), /"pending_update_count":1/)
  })
})
