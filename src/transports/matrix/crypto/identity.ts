import { randomBytes } from 'node:crypto'
import type { OlmMachine } from '@matrix-org/matrix-sdk-crypto-wasm'
import type { Log } from '../../../core/define.ts'
import { path, type MatrixClient } from '../client.ts'
import { done } from '../wire.ts'
import type { AccountData } from './account-data.ts'
import type { Backup } from './backup.ts'
import type { CryptoLibrary } from './library.ts'
import { proven } from './proof.ts'
import type { RecoveryKeys } from './recovery-file.ts'
import type { Requests } from './requests.ts'
import { SecretStorage } from './secret-storage.ts'
import { deviceKeys } from './wire.ts'

export interface IdentityDeps {
  readonly library: CryptoLibrary
  readonly olm: OlmMachine
  readonly requests: Requests
  readonly backup: Backup
  readonly data: AccountData
  readonly recovery: RecoveryKeys
  readonly client: () => MatrixClient
  readonly user: string
  readonly device: string
  readonly password: string | undefined
  readonly log: Log
}

const secrets = {
  master: 'm.cross_signing.master',
  selfSigning: 'm.cross_signing.self_signing',
  userSigning: 'm.cross_signing.user_signing',
  backup: 'm.megolm_backup.v1',
} as const

/**
 * Gives the bot an identity that signs its device, so that clients that know only signed devices talk to it; and a
 * secret storage and a backup, so that a new device of it can take over. Takes over what is there already; resets
 * nothing, ever. Resolves with what a person has to do, if anything. Throws what the client throws.
 */
export async function ensureIdentity(deps: IdentityDeps, signal: AbortSignal): Promise<string | undefined> {
  await deps.requests.pump(signal)
  const exists = await isPublished(deps, signal)
  const { hasMaster, hasSelfSigning } = await deps.olm.crossSigningStatus()
  if (exists && !(hasMaster && hasSelfSigning)) return takeOver(deps, signal)
  // Also one that was made before, when the homeserver did not take it.
  if (!exists) await publish(deps, signal)
  await signDevice(deps, signal)
  return secure(deps, signal)
}

/** Does the homeserver have an identity of the account? The machine knows it, too, when this resolves. */
async function isPublished(
  { library, olm, requests, client, user }: IdentityDeps,
  signal: AbortSignal,
): Promise<boolean> {
  await olm.updateTrackedUsers([new library.UserId(user)])
  await requests.send(olm.queryKeysForUsers([new library.UserId(user)]), signal)
  const body = { device_keys: { [user]: [] } }
  const call = { method: 'POST', path: path`/keys/query`, body } as const
  return (await client().call(call, deviceKeys, signal)).master_keys[user] !== undefined
}

async function publish({ olm, requests, client, user, password, log }: IdentityDeps, signal: AbortSignal) {
  const wanted = await olm.bootstrapCrossSigning(false)
  const keys: unknown = JSON.parse(wanted.uploadSigningKeysRequest.body)
  const call = { method: 'POST', path: path`/keys/device_signing/upload` } as const
  await proven(client(), call, keys, { user, password }, done, signal)
  await requests.send(wanted.uploadSignaturesRequest, signal)
  await requests.pump(signal)
  log.info({ user }, 'made the cross-signing identity of the bot')
}

/** The identity was made by another device of this account: its secrets are in the storage, or with that device. */
async function takeOver(deps: IdentityDeps, signal: AbortSignal): Promise<string | undefined> {
  const { library, olm, data, recovery, user, device, log } = deps
  for (const key of await recovery.all()) {
    const storage = await SecretStorage.open(data, key, signal)
    if (storage === undefined) continue
    const [master, selfSigning, userSigning] = [
      await storage.get(secrets.master, signal),
      await storage.get(secrets.selfSigning, signal),
      await storage.get(secrets.userSigning, signal),
    ]
    const { hasMaster, hasSelfSigning } = await olm.importCrossSigningKeys(master, selfSigning, userSigning)
    if (!hasMaster || !hasSelfSigning) continue
    await signDevice(deps, signal)
    await adoptBackup(deps, storage, signal)
    log.info({}, 'took over the identity of the bot with its recovery key')
    return undefined
  }
  // Another session of the account may vouch for this one: that is enough to talk.
  const own = await olm.getDevice(new library.UserId(user), new library.DeviceId(device))
  if (own?.isCrossSignedByOwner() === true) return undefined
  return recovery.given ? wrongKey : keyWanted
}

const keyWanted =
  'This session of the bot is not verified: the account has an identity of another session. Set matrix.encryption.recovery_key to the recovery key of the account (ductor writes it to recovery-key.txt in its matrix folder), or verify this session from the other one.'
const wrongKey =
  'The recovery key is not the key of this account, or its identity was reset: the session of the bot is not verified. Correct matrix.encryption.recovery_key, or verify this session from another one of the account.'

async function signDevice({ library, olm, requests, user, device, log }: IdentityDeps, signal: AbortSignal) {
  const own = await olm.getDevice(new library.UserId(user), new library.DeviceId(device))
  if (own === undefined || own.isCrossSignedByOwner()) return
  await requests.send(await own.verify(), signal)
  // What was signed counts when the homeserver has told it back.
  await requests.send(olm.queryKeysForUsers([new library.UserId(user)]), signal)
  log.info({ device }, 'signed the device of the bot')
}

/** Puts the secrets where the recovery key opens them, and the room keys into a backup. */
async function secure(deps: IdentityDeps, signal: AbortSignal): Promise<string | undefined> {
  const { data, recovery, backup } = deps
  if (!(await SecretStorage.exists(data, signal))) {
    // The key is in the owner's hands before anything depends on it.
    const key = await recovery.make(randomBytes(32))
    const storage = await SecretStorage.create(data, key, signal)
    await putIdentity(deps, storage, signal)
    await storage.publish(signal)
  }
  const found = await backup.onServer(signal)
  const own = await backup.key()
  if (found !== undefined && own !== undefined && (await backup.adopt(own, signal))) return undefined
  for (const key of await recovery.all()) {
    const storage = await SecretStorage.open(data, key, signal)
    if (storage === undefined) continue
    if (found === undefined)
      await backup.create((secret) => storage.put(secrets.backup, secret, signal), signal)
    else await adoptBackup(deps, storage, signal)
    return undefined
  }
  return backupWanted
}

const backupWanted =
  'The room keys of the bot are not backed up: the account has a secret storage, and ductor does not know its recovery key. Set matrix.encryption.recovery_key.'

async function putIdentity({ olm }: IdentityDeps, storage: SecretStorage, signal: AbortSignal) {
  const keys = await olm.exportCrossSigningKeys()
  const { masterKey, self_signing_key: selfSigning, userSigningKey } = keys ?? {}
  for (const [name, secret] of [
    [secrets.master, masterKey],
    [secrets.selfSigning, selfSigning],
    [secrets.userSigning, userSigningKey],
  ] as const) {
    if (secret !== undefined) await storage.put(name, secret, signal)
  }
}

async function adoptBackup({ backup, log }: IdentityDeps, storage: SecretStorage, signal: AbortSignal) {
  const secret = await storage.get(secrets.backup, signal)
  if (secret !== undefined && (await backup.adopt(secret, signal))) return
  if ((await backup.onServer(signal)) === undefined) {
    await backup.create((fresh) => storage.put(secrets.backup, fresh, signal), signal)
    return
  }
  log.warn({}, 'the backup of the room keys was made with another key: older messages stay unreadable')
}
