import { join } from 'node:path'
import type { AdapterDeps, Finding } from '../../core/define.ts'
import { AllowedRooms } from './allowed-rooms.ts'
import { MatrixClient, MatrixError, NoAnswer } from './client.ts'
import { filled, type MatrixConfig } from './config.ts'
import { CredentialsFile, type Credentials } from './credentials.ts'
import { findHomeserver } from './discovery.ts'
import { diagnoseEncryption } from './crypto/diagnose.ts'
import { configuredToken, offersPasswords, tryToken } from './login.ts'
import { findOAuth } from './oauth.ts'

/** What `doctor` says about Matrix: is the homeserver there, does the log-in hold, can the rooms be read? */
export async function diagnose(
  { matrix }: MatrixConfig,
  { home, log, memory }: AdapterDeps,
  signal: AbortSignal,
): Promise<readonly Finding[]> {
  const owner = { homeserver: matrix.homeserver, userId: matrix.user_id }
  const kept = await new CredentialsFile(join(home, matrix.store_path), owner, log).read()
  const findings: Finding[] = []
  if (kept !== undefined && filled(matrix.password)) {
    findings.push({
      level: 'warning',
      what: 'matrix: the password is in config.json, and is not needed any more',
      mend: 'remove matrix.password; the log-in is kept in credentials.json',
    })
  }
  try {
    const base = await findHomeserver(matrix.homeserver, log, signal)
    findings.push({ level: 'ok', what: `matrix: the homeserver answers at ${base}` })
    const credentials = kept ?? configuredToken(matrix)
    if (credentials === undefined) findings.push(await firstLogIn(base, matrix, signal))
    else findings.push(...(await withToken(base, credentials, matrix, { home, memory, log }, signal)))
  } catch (error) {
    if (!(error instanceof NoAnswer || error instanceof MatrixError)) throw error
    findings.push({
      level: 'problem',
      what: `matrix: ${error.message}`,
      mend: 'check matrix.homeserver, and whether the server runs; some need the URL of their client API',
    })
  }
  return findings
}

async function firstLogIn(
  base: string,
  matrix: MatrixConfig['matrix'],
  signal: AbortSignal,
): Promise<Finding> {
  if (!filled(matrix.password) && (await findOAuth(base, signal)) !== undefined) {
    return { level: 'ok', what: 'matrix: the first start asks for a log-in in the browser' }
  }
  if (!filled(matrix.password)) {
    return {
      level: 'problem',
      what: 'matrix: there is nothing to log in with',
      mend: 'set matrix.password, or matrix.access_token together with matrix.device_id',
    }
  }
  // Not tried here: every attempt counts against the account.
  const what = `matrix: ${matrix.user_id} will log in with the password at the first start`
  if (await offersPasswords(base, signal)) return { level: 'ok', what }
  return {
    level: 'problem',
    what: 'matrix: the homeserver has no log-in by password',
    mend: 'set matrix.access_token and matrix.device_id, made with the tools of the homeserver',
  }
}

async function withToken(
  base: string,
  credentials: Credentials,
  matrix: MatrixConfig['matrix'],
  { home, memory, log }: Pick<AdapterDeps, 'home' | 'memory' | 'log'>,
  signal: AbortSignal,
): Promise<Finding[]> {
  const found = await tryToken(base, credentials, signal)
  if ('soft' in found && credentials.oauth !== undefined) {
    return [{ level: 'ok', what: 'matrix: the token of the bot has run out; the next start renews it' }]
  }
  if ('soft' in found) {
    return [
      {
        level: filled(matrix.password) ? 'warning' : 'problem',
        what: 'matrix: the homeserver has ended the log-in of the bot',
        mend: filled(matrix.password)
          ? 'nothing: the next start logs in again with the password'
          : 'put matrix.password into config.json and start ductor again',
      },
    ]
  }
  const rooms = new AllowedRooms(matrix.allowed_rooms, memory, log)
  const client = new MatrixClient(base, credentials.accessToken)
  await rooms.resolve(client, signal)
  return [
    { level: 'ok', what: `matrix: signed in as ${found.userId} (device ${found.deviceId})` },
    ...(await diagnoseEncryption(client, found, join(home, matrix.store_path), signal)),
    ...rooms.unresolved.map((alias): Finding => ({
      level: 'warning',
      what: `matrix: ${alias} in matrix.allowed_rooms is no room`,
      mend: 'check the alias, or list the id of the room (!…)',
    })),
  ]
}
