import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { installedLibrary } from '../../../../tests/support/install-library.ts'
import definition from '../index.ts'
import { CryptoFolder } from './folder.ts'
import { indexedDb, placeStore } from './indexeddb/install.ts'
import { loadCrypto, needs, type CryptoLibrary } from './library.ts'

const name = '@matrix-org/matrix-sdk-crypto-wasm'
const before = '18.8.0'

async function home(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'ductor-crypto-'))
  t.after(() => rm(path, { recursive: true, force: true }))
  return path
}

async function open({ DeviceId, OlmMachine, StoreHandle, UserId }: CryptoLibrary, folder: CryptoFolder) {
  const key = await folder.key()
  indexedDb()
  placeStore(folder.store, folder.path)
  using store = await StoreHandle.openWithKey(folder.store, key)
  return OlmMachine.initFromStore(new UserId('@bot:hs.test'), new DeviceId('DEVICE'), store)
}

test('the keys that the version before has written are opened by this one', async (t) => {
  const old = createRequire(join(await installedLibrary(name, before), 'package.json'))(name) as CryptoLibrary
  await old.initAsync()
  const folder = new CryptoFolder(join(await home(t), 'crypto'))
  const first = await open(old, folder)
  const identity = first.identityKeys.ed25519.toBase64()
  await first.shareRoomKey(new old.RoomId('!room:hs.test'), [], new old.EncryptionSettings())
  const content = '{"msgtype":"m.text","body":"said before the upgrade"}'
  const sealed = await first.encryptRoomEvent(new old.RoomId('!room:hs.test'), 'm.room.message', content)
  const commits = indexedDb().commits(folder.database) ?? 0
  first.close()
  indexedDb().shut(folder.store)

  const now = await loadCrypto(await home(t))
  const second = await open(now, folder)
  assert.equal(second.identityKeys.ed25519.toBase64(), identity)
  assert.ok((indexedDb().commits(folder.database) ?? 0) >= commits)
  const event = { type: 'm.room.encrypted', event_id: '$e', sender: '@bot:hs.test', origin_server_ts: 1 }
  const settings = new now.DecryptionSettings(now.TrustRequirement.Untrusted)
  const opened = await second.decryptRoomEvent(
    JSON.stringify({ ...event, content: JSON.parse(sealed) }),
    new now.RoomId('!room:hs.test'),
    settings,
  )
  assert.match(opened.event, /said before the upgrade/)
  second.close()
  indexedDb().shut(folder.store)
})

test('the definition names exactly the library and the version that are tried here', async () => {
  const main = createRequire(import.meta.url).resolve(name)
  const { version } = JSON.parse(await readFile(join(dirname(main), 'package.json'), 'utf8'))
  assert.deepEqual(definition.needs, { [name]: version })
  assert.deepEqual(needs, definition.needs)
})
