import { chmod, mkdir, readFile, rename, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import type { Log } from '../../core/define.ts'
import { writeFileAtomically } from '../../lib/atomic-write.ts'
import type { OAuthGrant } from './oauth.ts'

/** A log-in: one device of one account. */
export interface Credentials {
  readonly userId: string
  readonly deviceId: string
  readonly accessToken: string
  /** Where the token runs out: what renews it. */
  readonly oauth?: OAuthGrant
}

const text = z.string().min(1)

const fileSchema = z.object({
  user_id: text,
  device_id: text,
  access_token: text,
  /** Absent in files of the Python program: they belong to whatever is configured. */
  homeserver: text.optional(),
  oauth: z.object({ token_endpoint: text, client_id: text, refresh_token: text }).optional().catch(undefined),
})

type Kept = z.infer<typeof fileSchema>

/** The file that keeps the log-in between runs, for one account on one homeserver. */
export class CredentialsFile {
  readonly #folder: string
  readonly #owner: { readonly homeserver: string; readonly userId: string }
  readonly #log: Log

  constructor(folder: string, owner: { readonly homeserver: string; readonly userId: string }, log: Log) {
    this.#folder = folder
    this.#owner = owner
    this.#log = log
  }

  /**
   * The log-in of the configured account; undefined where there is none that can be used. Leaves the text as it is;
   * with `leaveRights` also who may read it.
   */
  async read({ leaveRights = false } = {}): Promise<Credentials | undefined> {
    const raw = await this.#readText(leaveRights)
    if (raw === undefined) return undefined
    const parsed = fileSchema.safeParse(parseJson(raw))
    if (!parsed.success) {
      const missing = parsed.error.issues.map((issue) => issue.path.join('.') || 'valid JSON')
      this.#log.warn({ missing }, 'credentials.json cannot be used')
      return undefined
    }
    const other = this.#other(parsed.data)
    if (other !== undefined) {
      this.#log.warn(
        { file: other.file, configured: other.configured },
        `credentials.json is of ${other.what}`,
      )
      return undefined
    }
    const { user_id: userId, device_id: deviceId, access_token: accessToken, oauth } = parsed.data
    if (oauth === undefined) return { userId, deviceId, accessToken }
    const { token_endpoint: tokenEndpoint, client_id: clientId, refresh_token: refreshToken } = oauth
    return { userId, deviceId, accessToken, oauth: { tokenEndpoint, clientId, refreshToken } }
  }

  /**
   * Replaces the file in one step; nobody but the owner of the process can read it or look into its folder. The log-in
   * of another account or homeserver is put aside: the configuration may go back to it.
   */
  async write({ userId, deviceId, accessToken, oauth }: Credentials): Promise<void> {
    await mkdir(this.#folder, { recursive: true, mode: 0o700 })
    await chmod(this.#folder, 0o700)
    await this.#putAside()
    const file = {
      user_id: userId,
      device_id: deviceId,
      access_token: accessToken,
      homeserver: this.#owner.homeserver,
      ...(oauth === undefined ? {} : { oauth: written(oauth) }),
    }
    await writeFileAtomically(this.#path, `${JSON.stringify(file, undefined, 2)}\n`, { mode: 0o600 })
  }

  async #putAside(): Promise<void> {
    const { data } = fileSchema.safeParse(parseJson((await this.#readText(false)) ?? ''))
    if (data === undefined || this.#other(data) === undefined) return
    const name = `credentials-old-${data.device_id.replaceAll(/[^\w-]/g, '_').slice(0, 60)}.json`
    await rename(this.#path, join(this.#folder, name))
    this.#log.warn({ user: data.user_id, file: name }, 'the log-in that was kept before was put aside')
  }

  /** In what a log-in is not that of the configured account, if so. */
  #other({ user_id: file, homeserver }: Kept) {
    const { userId, homeserver: configured } = this.#owner
    if (file.toLowerCase() !== userId.toLowerCase())
      return { what: 'another account', file, configured: userId }
    if (homeserver === undefined || plainUrl(homeserver) === plainUrl(configured)) return undefined
    return { what: 'another homeserver', file: homeserver, configured }
  }

  get #path(): string {
    return join(this.#folder, 'credentials.json')
  }

  async #readText(leaveRights: boolean): Promise<string | undefined> {
    try {
      const { mode } = await stat(this.#path)
      if ((mode & 0o077) !== 0 && process.platform !== 'win32' && !leaveRights) {
        // An older program, or a copy by hand, left it open to the other users of the machine.
        await chmod(this.#path, 0o600)
        this.#log.warn({}, 'credentials.json could be read by other users; not any more')
      }
      return await readFile(this.#path, 'utf8')
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
      const reason = error instanceof Error && 'code' in error ? error.code : 'unknown'
      this.#log.warn({ reason }, 'credentials.json cannot be read')
      return undefined
    }
  }
}

function written({ tokenEndpoint, clientId, refreshToken }: OAuthGrant) {
  return { token_endpoint: tokenEndpoint, client_id: clientId, refresh_token: refreshToken }
}

function plainUrl(url: string): string {
  return (URL.parse(url)?.href ?? url).replace(/\/+$/, '')
}

function parseJson(raw: string): unknown {
  try {
    return JSON.parse(raw)
  } catch {
    // The schema says what is wrong with nothing.
    return undefined
  }
}
