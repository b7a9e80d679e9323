import type { OlmMachine } from '@matrix-org/matrix-sdk-crypto-wasm'
import type { Log } from '../../../core/define.ts'
import { FatalError } from '../../../core/transport.ts'
import { path, type MatrixClient } from '../client.ts'
import type { CryptoFolder } from './folder.ts'
import { indexedDb, placeStore } from './indexeddb/install.ts'
import type { CryptoLibrary } from './library.ts'
import * as wire from './wire.ts'
import type { Seen, Witness } from './witness.ts'

export interface DeviceKeysDeps {
  readonly folder: CryptoFolder
  readonly client: MatrixClient
  readonly user: string
  readonly device: string
  readonly log: Log
}

export interface DeviceKeys {
  readonly olm: OlmMachine
  readonly seen: Seen
}

/**
 * Opens the keys of the device, or makes them where it is new. Throws `FatalError` where they are not the keys that
 * the homeserver has, are missing, or are an older copy; and what the client throws.
 */
export async function openDeviceKeys(
  deps: DeviceKeysDeps,
  library: CryptoLibrary,
  witness: Witness,
  signal: AbortSignal,
): Promise<DeviceKeys> {
  const { folder, client, user, device, log } = deps
  const known = witness.recall()
  if (folder.exists && known !== undefined && (known.device !== device || known.user !== user)) {
    const to = await folder.archive(known.device)
    log.warn(
      { device: known.device, to },
      'the encryption keys of an earlier device of the bot were put aside',
    )
  }
  const published = await publishedKey(client, user, device, signal)
  if (!folder.exists && (published !== undefined || known?.device === device))
    throw new FatalError(lost(deps))
  const least = await witness.least(device, signal)
  const olm = await openMachine(deps, library)
  try {
    const seen = seenOf(deps, olm)
    if (published !== undefined && published !== seen.ed25519) throw new FatalError(foreign(deps))
    if (known?.device === device && known.ed25519 !== seen.ed25519) throw new FatalError(foreign(deps))
    if (seen.commits < least) throw new FatalError(outdated(deps))
    return { olm, seen }
  } catch (error) {
    shutDeviceKeys(deps, olm)
    throw error
  }
}

/** Nobody uses them any more. Throws what the library throws. */
export function shutDeviceKeys({ folder }: Pick<DeviceKeysDeps, 'folder'>, olm: OlmMachine): void {
  try {
    olm.close()
  } finally {
    // What the library gave to us may have a hold of the files until somebody collects it.
    indexedDb().shut(folder.store)
  }
}

/** The keys as they are now. */
export function seenOf(
  { user, device, folder }: Pick<DeviceKeysDeps, 'user' | 'device' | 'folder'>,
  olm: OlmMachine,
): Seen {
  const commits = indexedDb().commits(folder.database) ?? 0
  return { user, device, ed25519: olm.identityKeys.ed25519.toBase64(), commits }
}

async function openMachine(deps: DeviceKeysDeps, library: CryptoLibrary): Promise<OlmMachine> {
  const { folder, user, device } = deps
  const { DeviceId, OlmMachine: Machine, StoreHandle, UserId } = library
  const key = await folder.key()
  indexedDb()
  placeStore(folder.store, folder.path)
  try {
    // The machine has a hold of its own on it; as long as anybody has one, the files stay open.
    using store = await StoreHandle.openWithKey(folder.store, key)
    return await Machine.initFromStore(new UserId(user), new DeviceId(device), store)
  } catch (error) {
    indexedDb().shut(folder.store)
    const reason = error instanceof Error ? error.message : String(error)
    if (/database is locked/.test(reason)) throw new FatalError(taken(deps), { cause: error })
    throw new FatalError(unreadable(deps, reason), { cause: error })
  }
}

/** The fingerprint that the homeserver shows to others for this device; undefined where it has none yet. */
async function publishedKey(
  client: MatrixClient,
  user: string,
  device: string,
  signal: AbortSignal,
): Promise<string | undefined> {
  const body = { device_keys: { [user]: [device] } }
  const call = { method: 'POST', path: path`/keys/query`, body } as const
  const { device_keys: keys } = await client.call(call, wire.deviceKeys, signal)
  return keys[user]?.[device]?.keys[`ed25519:${device}`]
}

/** What helps in every case: the device is given up, and its keys stay where somebody can look at them. */
function newDevice({ folder }: DeviceKeysDeps): string {
  return `rename the folder ${folder.path} and the file credentials.json beside it, set matrix.password, and start ductor again: it logs in as a new device and takes over with the recovery key`
}

function lost(deps: DeviceKeysDeps): string {
  return `The encryption keys of the bot's device ${deps.device} are not in ${deps.folder.path} any more, and new ones would look like an attack to everybody. Put the folder back; or ${newDevice(deps)}.`
}

function foreign(deps: DeviceKeysDeps): string {
  return `The encryption keys in ${deps.folder.path} are not those that the homeserver knows of the bot's device ${deps.device}. Put the right ones back; or ${newDevice(deps)}.`
}

function outdated(deps: DeviceKeysDeps): string {
  return `The encryption keys in ${deps.folder.path} are an older copy: the bot's device ${deps.device} has gone on since, and going back would spoil it and its messages. Put the newest ones back; or ${newDevice(deps)}.`
}

function unreadable(deps: DeviceKeysDeps, reason: string): string {
  return `The encryption keys in ${deps.folder.path} cannot be opened (${reason}). Put back what was there; or ${newDevice(deps)}.`
}

function taken({ folder }: DeviceKeysDeps): string {
  return `Another process uses the encryption keys in ${folder.path}. Two would ruin them: end the other one, then start ductor again.`
}
