import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Finding } from '../../../core/define.ts'
import { path, type MatrixClient } from '../client.ts'
import { deviceKeys } from './wire.ts'

/** What `doctor` says about encryption: can everybody trust the bot's device, and where is the recovery key? */
export async function diagnoseEncryption(
  client: MatrixClient,
  { userId: user, deviceId: device }: { readonly userId: string; readonly deviceId: string },
  /** Absolute path of the folder that holds the log-in and the keys. */
  folder: string,
  signal: AbortSignal,
): Promise<readonly Finding[]> {
  const findings: Finding[] = []
  const body = { device_keys: { [user]: [device] } }
  const call = { method: 'POST', path: path`/keys/query`, body } as const
  const keys = (await client.call(call, deviceKeys, signal)).device_keys[user]?.[device]
  if (keys !== undefined) {
    const others = Object.keys(keys.signatures[user] ?? {}).filter((key) => key !== `ed25519:${device}`)
    if (others.length > 0) findings.push({ level: 'ok', what: "matrix: the bot's session is verified" })
    else {
      findings.push({
        level: 'warning',
        what: "matrix: the bot's session is not verified; apps that want that do not talk with it",
        mend: 'set matrix.encryption.recovery_key to the recovery key of the account, and start ductor again',
      })
    }
  }
  const file = join(folder, 'recovery-key.txt')
  if (existsSync(file)) {
    const what = `matrix: the recovery key of the account is in ${file}`
    findings.push({ level: 'ok', what, mend: 'keep a copy of it in a safe place' })
  }
  return findings
}
