import { methods } from './telegram-methods.fake.ts'
import { Upload } from './telegram-files.fake.ts'
import { Flood } from './telegram-flood.fake.ts'
import { HttpSide, type Fault, type WireCall } from './telegram-http.fake.ts'
import type { Limits } from './telegram-limits.fake.ts'
import { Group, Person } from './telegram-people.fake.ts'
import { badRequest, Refusal } from './telegram-refusal.fake.ts'
import { World, type Draft, type WireMessage, type WireUser } from './telegram-world.fake.ts'

export interface FakeOptions {
  readonly token?: string
  readonly username?: string
  readonly limits?: Partial<Limits>
}

/** A call that was made, without the token. */
export interface PastCall {
  readonly method: string
  readonly parameters: Readonly<Record<string, unknown>>
  /** Milliseconds since 1970. */
  readonly at: number
  /** What it met on its way. */
  readonly fault?: Fault['how']
  /** Undefined while it is under way, and where it was never carried out. */
  outcome?:
    | { readonly ok: true; readonly result: unknown }
    | { readonly ok: false; readonly description: string }
}

/**
 * A Bot API server on loopback with one bot, and the people and groups around it. It keeps the network's laws as far
 * as they are known, and is strict where they are not. What the network would forgive in silence is in `lints`.
 */
export class FakeTelegram {
  readonly token: string
  readonly world: World
  readonly #lints: string[] = []
  readonly #history: PastCall[] = []
  readonly #people = new Map<number, Person>()
  readonly #faults: { readonly method: string; readonly fault: Fault; times: number }[] = []
  readonly #http: HttpSide
  readonly #flood: Flood
  #tokenIsValid = true

  static async start(options: FakeOptions = {}): Promise<FakeTelegram> {
    const telegram = new FakeTelegram(options)
    await telegram.#http.up()
    return telegram
  }

  private constructor({ token, username = 'ductor_bot', limits = {} }: FakeOptions) {
    this.token = token ?? '123456789:AAFakeFakeFakeFakeFakeFakeFakeFake'
    const lint = (fault: string): void => void this.#lints.push(fault)
    this.world = new World(username, Number(this.token.split(':')[0]), limits, lint)
    this.#flood = new Flood(this.world.limits, () => this.world.now(), lint)
    const {
      files,
      limits: { uploadBytes },
    } = this.world
    this.#http = new HttpSide({
      answer: (call, gone) => this.#answer(call, gone),
      fault: (call) => this.#faultOf(call),
      file: (asked, path) => this.#file(asked, path),
      get mostBytes() {
        // The fields of the form come on top of the file.
        return files.unlimited ? Infinity : uploadBytes + 10_000
      },
    })
  }

  /** For `telegram_api_root`. */
  get apiRoot(): string {
    return `http://127.0.0.1:${this.#http.port}`
  }

  get bot(): WireUser & { readonly username: string } {
    return this.world.bot
  }

  /** What the network has forgiven in silence so far. */
  get lints(): readonly string[] {
    this.world.lintUnanswered()
    return this.#lints
  }

  /** All calls, the first first. */
  get history(): readonly PastCall[] {
    return this.#history
  }

  calls(method: string): readonly PastCall[] {
    return this.#history.filter((call) => call.method.toLowerCase() === method.toLowerCase())
  }

  /** Whoever has this number; the same person each time. */
  person(id: number, { name = `Person ${id}`, username }: { name?: string; username?: string } = {}): Person {
    const known = this.#people.get(id)
    if (known !== undefined) return known
    const user = { id, is_bot: false, first_name: name, ...(username === undefined ? {} : { username }) }
    const person = new Person(user, this.world)
    this.#people.set(id, person)
    return person
  }

  /** A group that the bot is in. Ids of groups are negative; those of supergroups begin with -100. */
  group(id: number, { title = `Group ${id}`, forum = false } = {}): Group {
    const type = String(id).startsWith('-100') ? 'supergroup' : 'group'
    return new Group({ id, type, title, ...(forum ? { is_forum: true as const } : {}) }, this.world)
  }

  /** What the bot is shown to be writing in a private chat. */
  draft(chat: number, thread?: number): Draft | undefined {
    return this.world.draft(chat, thread)
  }

  /** The bot's reaction to a message. */
  reaction(chat: number, message: number): string | undefined {
    return this.world.reactions.get(`${chat}:${message}`)
  }

  /** The messages of a chat as they stand now, oldest first. */
  messages(chat: number): readonly WireMessage[] {
    return [...(this.world.chats.get(chat)?.messages.values() ?? [])].toSorted(
      (a, b) => a.message_id - b.message_id,
    )
  }

  /** Those of them that the bot has sent. */
  posts(chat: number): readonly WireMessage[] {
    return this.messages(chat).filter(({ from }) => from?.id === this.bot.id)
  }

  /** The next calls of this method (`*`: of any but getUpdates) meet this. */
  breaks(method: string, fault: Fault, times = 1): void {
    this.#faults.push({ method: method.toLowerCase(), fault, times })
  }

  /** Calls that have still to meet what they were told to. */
  get faultsLeft(): number {
    return this.#faults.reduce((sum, { times }) => sum + times, 0)
  }

  /** From now on everything is as it should be. */
  mends(): void {
    this.#faults.length = 0
  }

  /** @BotFather has given the bot another token, or this one again. */
  revoke(revoked = true): void {
    this.#tokenIsValid = !revoked
  }

  get isUp(): boolean {
    return this.#http.isUp
  }

  /** The network is not there: connections are refused. */
  down(): Promise<void> {
    return this.#http.down()
  }

  /** The network is back where it was. */
  up(): Promise<void> {
    return this.#http.up()
  }

  stop(): Promise<void> {
    return this.#http.down()
  }

  #file(token: string, path: string): Uint8Array {
    if (token !== this.token || !this.#tokenIsValid) throw new Refusal(401, 'Unauthorized')
    const bytes = this.world.files.at(path)
    if (bytes === undefined) throw new Refusal(404, 'Not Found')
    return bytes
  }

  #faultOf({ method }: WireCall): Fault | undefined {
    const name = method.toLowerCase()
    const found = this.#faults.find(
      (one) => one.times > 0 && (one.method === name || (one.method === '*' && name !== 'getupdates')),
    )
    if (found === undefined) return undefined
    found.times -= 1
    if (['dropped', 'hangs', 'server-error', 'bad-gateway', 'flood'].includes(found.fault.how)) {
      this.#history.push({ method, parameters: {}, at: this.world.now(), fault: found.fault.how })
    }
    return found.fault
  }

  async #answer({ token, method, parameters }: WireCall, gone: AbortSignal): Promise<unknown> {
    const call: PastCall = { method, parameters, at: this.world.now() }
    this.#history.push(call)
    try {
      const result = await this.#run(token, method, parameters, gone)
      call.outcome = { ok: true, result }
      return result
    } catch (error) {
      if (error instanceof Refusal) call.outcome = { ok: false, description: error.message }
      throw error
    }
  }

  #run(token: string, name: string, parameters: object, gone: AbortSignal): unknown {
    if (token !== this.token || !this.#tokenIsValid) throw new Refusal(401, 'Unauthorized')
    const method = methods.get(name.toLowerCase())
    if (method === undefined) throw new Refusal(404, 'Not Found: method not found')
    // Which marks would be refused is not known here: all of them are.
    if ('parse_mode' in parameters) throw badRequest("can't parse entities: this server knows no parse_mode")
    const uploads = uploadsIn(parameters)
    const attached = JSON.stringify(parameters)
    for (const key of Object.keys(parameters)) {
      const isKnown =
        method.parameters.includes(key) || (uploads.has(key) && attached.includes(`attach://${key}`))
      if (!isKnown) this.#lints.push(`${name} has no parameter ${key}`)
    }
    return method.run(parameters, { world: this.world, flood: this.#flood, uploads, gone })
  }
}

function uploadsIn(parameters: object): ReadonlyMap<string, Upload> {
  const all = Object.entries(parameters)
  return new Map(all.flatMap(([key, value]) => (value instanceof Upload ? [[key, value]] : [])))
}
