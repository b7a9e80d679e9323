import assert from 'node:assert/strict'
import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setImmediate as breath } from 'node:timers/promises'
import type { OlmMachine } from '@matrix-org/matrix-sdk-crypto-wasm'
import { CryptoFolder } from './folder.ts'
import { indexedDb, placeStore } from './indexeddb/install.ts'
import { loadCrypto } from './library.ts'

const library = await loadCrypto('/nowhere')
const {
  DecryptionSettings,
  DeviceId,
  DeviceLists,
  EncryptionSettings,
  OlmMachine: Machine,
  RequestType,
} = library
const { RoomId, StoreHandle, TrustRequirement, UserId } = library
const [person, bot, room] = ['@person:hs.test', '@bot:hs.test', '!room:hs.test']

async function open(folder: CryptoFolder): Promise<OlmMachine> {
  const key = await folder.key()
  indexedDb()
  placeStore(folder.store, folder.path)
  using store = await StoreHandle.openWithKey(folder.store, key)
  return Machine.initFromStore(new UserId(bot), new DeviceId('BOT'), store)
}

const untrusted = () => new DecryptionSettings(TrustRequirement.Untrusted)

/** What the person sends to the bot: the key of a room, and a message there. */
async function keyAndMessage(
  machine: OlmMachine,
): Promise<{ readonly key: unknown; readonly message: string }> {
  const [upload] = (await machine.outgoingRequests()).filter(({ type }) => type === RequestType.KeysUpload)
  const { device_keys: device, one_time_keys: keys } = JSON.parse(upload?.body ?? '')
  const counts = JSON.stringify({ one_time_key_counts: { signed_curve25519: 50 } })
  await machine.markRequestAsSent(upload?.id ?? '', RequestType.KeysUpload, counts)

  const theirs = await Machine.initialize(new UserId(person), new DeviceId('PERSON'))
  await theirs.updateTrackedUsers([new UserId(bot)])
  const [query] = (await theirs.outgoingRequests()).filter(({ type }) => type === RequestType.KeysQuery)
  const devices = JSON.stringify({ device_keys: { [bot]: { BOT: device } }, failures: {} })
  await theirs.markRequestAsSent(query?.id ?? '', RequestType.KeysQuery, devices)
  const claim = await theirs.getMissingSessions([new UserId(bot)])
  const [first] = Object.entries<unknown>(keys)
  assert.ok(first !== undefined)
  const claimed = JSON.stringify({
    one_time_keys: { [bot]: { BOT: { [first[0]]: first[1] } } },
    failures: {},
  })
  await theirs.markRequestAsSent(claim?.id ?? '', RequestType.KeysClaim, claimed)
  const [share] = await theirs.shareRoomKey(new RoomId(room), [new UserId(bot)], new EncryptionSettings())
  const sealed = await theirs.encryptRoomEvent(
    new RoomId(room),
    'm.room.message',
    '{"msgtype":"m.text","body":"hi"}',
  )
  const event = { type: 'm.room.encrypted', event_id: '$e', sender: person, origin_server_ts: 1 }
  return {
    key: {
      type: 'm.room.encrypted',
      sender: person,
      content: JSON.parse(share?.body ?? '').messages[bot].BOT,
    },
    message: JSON.stringify({ ...event, content: JSON.parse(sealed) }),
  }
}

function receive(machine: OlmMachine, folder: CryptoFolder, key: unknown): Promise<unknown> {
  const counts = new Map([['signed_curve25519', 49]])
  return indexedDb().together(folder.database, () =>
    machine.receiveSyncChanges(
      JSON.stringify([key]),
      new DeviceLists([], []),
      counts,
      undefined,
      untrusted(),
    ),
  )
}

test('whenever the machine dies while it takes a room key in, the key is there or can come again', async (t) => {
  const base = await mkdtemp(join(tmpdir(), 'ductor-receiving-'))
  t.after(() => rm(base, { recursive: true, force: true }))
  const folder = new CryptoFolder(join(base, 'crypto'))
  const machine = await open(folder)
  const { key, message } = await keyAndMessage(machine)
  const copies: string[] = []
  const copy = async () => {
    const to = join(base, `copy${copies.length}`)
    await cp(folder.path, to, { recursive: true })
    copies.push(to)
  }
  await copy()
  let commits = indexedDb().commits(folder.database)
  const received = new AbortController()
  const receiving = receive(machine, folder, key).finally(() => received.abort())
  while (!received.signal.aborted) {
    await breath()
    if (indexedDb().commits(folder.database) === commits) continue
    commits = indexedDb().commits(folder.database)
    await copy()
  }
  await receiving
  assert.ok(copies.length >= 2)
  for (const path of copies) {
    const again = new CryptoFolder(path)
    const risen = await open(again)
    await receive(risen, again, key)
    const opened = await risen.decryptRoomEvent(message, new RoomId(room), untrusted())
    assert.match(opened.event, /"hi"/, path)
    indexedDb().shut(again.store)
  }
  indexedDb().shut(folder.store)
})
