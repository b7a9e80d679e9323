import { spawn, type ChildProcess } from 'node:child_process'
import { createHmac, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { eventually } from './eventually.ts'
import { installedSynapse, type Python } from './synapse-install.ts'

export { whyNoSynapse } from './synapse-install.ts'

export interface SynapseOptions {
  readonly serverName?: string
  /** `default`: Synapse's own limits, with their ten messages at once and then one in five seconds. */
  readonly rateLimits?: 'off' | 'default'
  /** Further settings of homeserver.yaml. */
  readonly settings?: Readonly<Record<string, unknown>>
}

export interface Account {
  readonly userId: string
  readonly deviceId: string
  readonly accessToken: string
}

interface LoggedIn {
  readonly user_id: string
  readonly device_id: string
  readonly access_token: string
}

function accountOf({ user_id, device_id, access_token }: LoggedIn): Account {
  return { userId: user_id, deviceId: device_id, accessToken: access_token }
}

const secret = 'a secret of the tests'

/** A real homeserver on loopback, without federation, for one test file. Its data goes when it is stopped. */
export async function startSynapse(options: SynapseOptions = {}): Promise<Synapse> {
  const python = await installedSynapse()
  const folder = await mkdtemp(join(tmpdir(), 'ductor-synapse-'))
  for (let attempt = 1; ; attempt++) {
    const synapse = new Synapse(python, folder, await freePort(), options)
    try {
      await synapse.up()
      return synapse
    } catch (error) {
      await synapse.down()
      // Somebody else may have taken the port between our look and Synapse's.
      if (attempt < 3 && String(error).includes('Address already in use')) continue
      await rm(folder, { recursive: true, force: true })
      throw error
    }
  }
}

export class Synapse {
  readonly url: string
  readonly serverName: string
  readonly #python: Python
  readonly #folder: string
  readonly #config: Readonly<Record<string, unknown>>
  #server: ChildProcess | undefined
  #admin: Account | undefined

  constructor(python: Python, folder: string, port: number, options: SynapseOptions) {
    this.url = `http://127.0.0.1:${port}`
    this.serverName = options.serverName ?? 'hs.test'
    this.#python = python
    this.#folder = folder
    this.#config = settings(this.serverName, this.url, port, folder, options)
  }

  /** Starts the server on the data that is there; resolves when it answers. */
  async up(): Promise<void> {
    const path = (name: string): string => join(this.#folder, name)
    // JSON is YAML.
    await writeFile(path('homeserver.yaml'), JSON.stringify(this.#config))
    await writeFile(path('log.yaml'), JSON.stringify(logging(path('synapse.log'))))
    await writeFile(path('signing.key'), await signingKey(path('signing.key')))
    const [program, ...first] = this.#python.command
    const server = spawn(program, [...first, '-c', launcher, '-c', path('homeserver.yaml')], {
      env: { ...process.env, ...this.#python.env },
      stdio: ['pipe', 'ignore', 'pipe'],
    })
    let complaints = ''
    server.stderr.setEncoding('utf8').on('data', (text: string) => (complaints += text))
    this.#server = server
    await eventually(
      async () => {
        if (server.exitCode !== null) return true
        const health = await fetch(`${this.url}/health`)
        return health.ok
      },
      'the health of Synapse',
      120_000,
    )
    if (server.exitCode !== null) throw new Error(`Synapse ended: ${complaints.slice(-2000)}`)
  }

  /** Stops the server and keeps its data: the port refuses connections until `up`. */
  async down(): Promise<void> {
    const server = this.#server
    this.#server = undefined
    if (server === undefined || server.exitCode !== null || server.signalCode !== null) return
    const ended = once(server, 'exit')
    server.kill('SIGTERM')
    const impatience = setTimeout(() => server.kill('SIGKILL'), 5_000)
    await ended
    clearTimeout(impatience)
  }

  /** The end of what the server complained of. */
  async complaints(): Promise<string> {
    const log = await readFile(join(this.#folder, 'synapse.log'), 'utf8').catch(() => '')
    return log.slice(-4000)
  }

  async restart(): Promise<void> {
    await this.down()
    await this.up()
  }

  async stop(): Promise<void> {
    await this.down()
    await rm(this.#folder, { recursive: true, force: true })
  }

  async register(name: string, password: string): Promise<{ readonly userId: string }> {
    const { user_id: userId } = await this.#register<{ user_id: string }>(name, password, {})
    return { userId }
  }

  /** Makes an account and logs in at once: this works also where nobody logs in by password. */
  async admit(name: string): Promise<Account> {
    const answer = await this.#register<LoggedIn>(name, `password of ${name}`, { inhibit_login: false })
    return accountOf(answer)
  }

  async #register<T>(name: string, password: string, { admin = false, inhibit_login = true }): Promise<T> {
    const path = '/_synapse/admin/v1/register'
    const { nonce } = await this.#call<{ nonce: string }>('GET', path)
    const mac = createHmac('sha1', secret)
      .update([nonce, name, password, admin ? 'admin' : 'notadmin'].join('\0'))
      .digest('hex')
    const body = { nonce, username: name, password, admin, mac, inhibit_login }
    return this.#call<T>('POST', path, { body })
  }

  async login(name: string, password: string, deviceId?: string): Promise<Account> {
    const body = {
      type: 'm.login.password',
      identifier: { type: 'm.id.user', user: name },
      password,
      ...(deviceId === undefined ? {} : { device_id: deviceId }),
    }
    return accountOf(await this.#call<LoggedIn>('POST', '/_matrix/client/v3/login', { body }))
  }

  /** The devices of the account, as its owner would see them. */
  async devices(userId: string): Promise<readonly string[]> {
    const path = `/_synapse/admin/v2/users/${encodeURIComponent(userId)}/devices`
    const { devices } = await this.#asAdmin<{ devices: { device_id: string }[] }>('GET', path)
    return devices.map(({ device_id: id }) => id)
  }

  /** Removes all devices of the account: its tokens are dead for good (`soft_logout` is false). */
  async endSessions(userId: string): Promise<void> {
    const path = `/_synapse/admin/v2/users/${encodeURIComponent(userId)}/delete_devices`
    await this.#asAdmin('POST', path, { devices: await this.devices(userId) })
  }

  /** Lets the tokens of the account run out: its devices stay (`soft_logout` is true). Restarts the server. */
  async expireTokens(userId: string): Promise<void> {
    await this.down()
    using database = new DatabaseSync(join(this.#folder, 'homeserver.db'))
    database.prepare('UPDATE access_tokens SET valid_until_ms = 1 WHERE user_id = ?').run(userId)
    await this.up()
  }

  async changePassword(userId: string, password: string): Promise<void> {
    const path = `/_synapse/admin/v1/reset_password/${encodeURIComponent(userId)}`
    await this.#asAdmin('POST', path, { new_password: password, logout_devices: true })
  }

  async #asAdmin<T>(method: string, path: string, body?: unknown): Promise<T> {
    if (this.#admin === undefined) {
      const admin = { admin: true, inhibit_login: false }
      this.#admin = accountOf(await this.#register<LoggedIn>('the-admin', 'the-password', admin))
    }
    return this.#call(method, path, { body, token: this.#admin.accessToken })
  }

  async #call<T>(
    method: string,
    path: string,
    { body, token }: { body?: unknown; token?: string } = {},
  ): Promise<T> {
    const answer = await fetch(this.url + path, {
      method,
      headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`)
    return (await answer.json()) as T
  }
}

/**
 * Runs Synapse until its standard input ends: however the test's process dies, the pipe dies with it, and no server
 * outlives its test.
 */
const launcher = `
import os, runpy, sys, threading
threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
runpy.run_module('synapse.app.homeserver', run_name='__main__')
`

function settings(
  serverName: string,
  url: string,
  port: number,
  folder: string,
  { rateLimits = 'off', settings: more = {} }: SynapseOptions,
): Record<string, unknown> {
  return {
    server_name: serverName,
    public_baseurl: `${url}/`,
    listeners: [
      {
        port,
        tls: false,
        type: 'http',
        bind_addresses: ['127.0.0.1'],
        resources: [{ names: ['client'], compress: false }],
      },
    ],
    database: { name: 'sqlite3', args: { database: join(folder, 'homeserver.db') } },
    log_config: join(folder, 'log.yaml'),
    media_store_path: join(folder, 'media'),
    signing_key_path: join(folder, 'signing.key'),
    registration_shared_secret: secret,
    macaroon_secret_key: 'another secret of the tests',
    form_secret: 'a third secret of the tests',
    bcrypt_rounds: 4,
    report_stats: false,
    enable_registration: false,
    federation_domain_whitelist: [],
    trusted_key_servers: [],
    suppress_key_server_warning: true,
    presence: { enabled: false },
    url_preview_enabled: false,
    ...(rateLimits === 'off' ? withoutLimits() : {}),
    ...more,
  }
}

function withoutLimits(): Record<string, unknown> {
  const open = { per_second: 10_000, burst_count: 10_000 }
  return {
    rc_message: open,
    rc_registration: open,
    rc_joins: { local: open, remote: open },
    rc_joins_per_room: open,
    rc_invites: { per_room: open, per_user: open, per_issuer: open },
    rc_login: { address: open, account: open, failed_attempts: open },
    rc_key_requests: open,
    rc_media_create: open,
    rc_room_creation: open,
  }
}

function logging(file: string): Record<string, unknown> {
  return {
    version: 1,
    handlers: { file: { class: 'logging.FileHandler', filename: file } },
    root: { level: 'WARNING', handlers: ['file'] },
    disable_existing_loggers: false,
  }
}

/** The key of the first start, or a new one: Synapse's own generator takes a second of a start. */
async function signingKey(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch {
    // The first start.
    return `ed25519 a_test ${randomBytes(32).toString('base64').replace(/=+$/, '')}\n`
  }
}

/** A port below those that the system hands out by itself: nothing takes it while the server is down. */
async function freePort(): Promise<number> {
  for (;;) {
    const port = 20_000 + (randomBytes(2).readUInt16BE() % 12_000)
    const probe = createServer()
    const free = await new Promise<boolean>((resolve) => {
      probe.once('error', () => resolve(false))
      probe.listen(port, '127.0.0.1', () => resolve(true))
    })
    if (!free) continue
    await new Promise((resolve) => probe.close(resolve))
    return port
  }
}
