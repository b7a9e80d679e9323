import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Wire } from './telegram-client.fake.ts'

describe('the fake network: chats', () => {
  test('reach only those who have begun, and have not ended it', async () => {
    await using wire = await Wire.start()
    const { network } = wire
    const send = (chat: number) => ({ chat_id: chat, text: 'x' })
    await wire.refused('sendMessage', send(1), /chat not found/)
    const person = network.person(5)
    await wire.refused('sendMessage', send(5), /can't initiate conversation/, 403)
    person.starts()
    person.blocks()
    await wire.refused('sendMessage', send(5), /bot was blocked by the user/, 403)
    person.deletesAccount()
    await wire.refused('sendMessage', send(5), /user is deactivated/, 403)
    const group = network.group(-7)
    person.removes(group)
    await wire.refused('sendMessage', send(-7), /bot was kicked from the group chat/, 403)
    await wire.refused('leaveChat', send(-7), /not a member/, 403)
    person.adds(group)
    assert.equal((await wire.call('leaveChat', { chat_id: -7 })).ok, true)
    await wire.refused('sendMessage', send(-7), /not a member of the group chat/, 403)
    const old = network.group(-8)
    old.moves(-1008)
    const { parameters } = await wire.refused('sendMessage', send(-8), /upgraded to a supergroup/)
    assert.equal(parameters?.migrate_to_chat_id, -1008)
  })

  test('of a group are seen by a bot without rights only where they are meant for it', async () => {
    await using wire = await Wire.start()
    const { network } = wire
    network.world.readsGroups = false
    const person = network.person(5)
    const group = network.group(-1001)
    const { result } = await wire.call('sendMessage', { chat_id: -1001, text: 'hi' })
    person.writes('among us', { in: group })
    person.writes('@ductor_bot go', { in: group })
    person.writes('/new', { in: group })
    person.writes('yes', { in: group, replyTo: result.message_id })
    assert.equal(network.world.updates.pending.length, 3)
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

  test('a restricted bot is told for each kind that it has no right to it', async () => {
    await using wire = await Wire.start()
    const { network } = wire
    const group = network.group(-1001)
    const photo = network.world.files.keep('photo', 'a', new Uint8Array([1])).id
    const document = network.world.files.keep('document', 'a', new Uint8Array([1])).id
    group.forbids('photo')
    const to = { chat_id: -1001, text: 'a' }
    assert.ok((await wire.call('sendMessage', to)).ok)
    await wire.refused('sendPhoto', { ...to, photo }, /not enough rights to send photos to the chat/)
    assert.ok((await wire.call('sendDocument', { ...to, document })).ok)
    group.forbids('text')
    await wire.refused('sendMessage', to, /not enough rights to send text messages to the chat/)
    network.person(5).promotes(group)
    assert.ok((await wire.call('sendMessage', { ...to, text: 'b' })).ok, 'that is about members')
    group.chat.bot = 'restricted'
    await wire.refused('sendDocument', { ...to, document }, /not enough rights to send documents/)
    assert.ok((await wire.call('getChat', to)).ok, 'it may look all the same')
  })
})
