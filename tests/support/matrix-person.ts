import { randomUUID } from 'node:crypto'
import { eventually } from './eventually.ts'
import type { Account, Synapse } from './synapse.ts'

/** An event of a room as the homeserver gives it; tests read what they like. */
export interface MatrixEvent {
  readonly event_id: string
  readonly type: string
  readonly sender: string
  readonly state_key?: string
  readonly content: Readonly<Record<string, unknown>>
  readonly unsigned?: { readonly redacted_because?: unknown }
}

/** A person with a client of their own. */
export class MatrixPerson {
  readonly account: Account
  readonly #url: string

  constructor(url: string, account: Account) {
    this.#url = url
    this.account = account
  }

  /** Makes an account for the person and logs in. */
  static async arrive(synapse: Synapse, name: string): Promise<MatrixPerson> {
    await synapse.register(name, `password of ${name}`)
    return new MatrixPerson(synapse.url, await synapse.login(name, `password of ${name}`))
  }

  get id(): string {
    return this.account.userId
  }

  async createRoom(options: Readonly<Record<string, unknown>> = {}): Promise<string> {
    const body = { preset: 'private_chat', ...options }
    const { room_id: room } = await this.call<{ room_id: string }>('POST', '/createRoom', body)
    return room
  }

  /** A room for two, as clients make it. */
  async direct(user: string, options: Readonly<Record<string, unknown>> = {}): Promise<string> {
    return this.createRoom({ is_direct: true, invite: [user], ...options })
  }

  async invite(room: string, user: string): Promise<void> {
    await this.call('POST', `/rooms/${encodeURIComponent(room)}/invite`, { user_id: user })
  }

  async join(room: string): Promise<void> {
    await this.call('POST', `/join/${encodeURIComponent(room)}`, {})
  }

  async kick(room: string, user: string): Promise<void> {
    await this.call('POST', `/rooms/${encodeURIComponent(room)}/kick`, { user_id: user })
  }

  async ban(room: string, user: string): Promise<void> {
    await this.call('POST', `/rooms/${encodeURIComponent(room)}/ban`, { user_id: user })
  }

  /** Closes the room; resolves with the one in which it goes on. */
  async upgrade(room: string, version: string): Promise<string> {
    const path = `/rooms/${encodeURIComponent(room)}/upgrade`
    const answer = await this.call<{ replacement_room: string }>('POST', path, { new_version: version })
    return answer.replacement_room
  }

  /** Resolves with the `mxc://` address. */
  async upload(bytes: Uint8Array<ArrayBuffer>, mimeType: string): Promise<string> {
    const answer = await fetch(`${this.#url}/_matrix/media/v3/upload`, {
      method: 'POST',
      headers: { authorization: `Bearer ${this.account.accessToken}`, 'content-type': mimeType },
      body: bytes,
    })
    if (!answer.ok) throw new Error(`upload: ${answer.status} ${await answer.text()}`)
    return ((await answer.json()) as { content_uri: string }).content_uri
  }

  /** What lies at an `mxc://` address. */
  async download(address: string): Promise<Uint8Array> {
    const where = address.slice('mxc://'.length)
    const answer = await fetch(`${this.#url}/_matrix/client/v1/media/download/${where}`, {
      headers: { authorization: `Bearer ${this.account.accessToken}` },
    })
    if (!answer.ok) throw new Error(`download: ${answer.status} ${await answer.text()}`)
    return answer.bytes()
  }

  /** Resolves with the event's id. */
  async say(room: string, text: string, more: Readonly<Record<string, unknown>> = {}): Promise<string> {
    return this.send(room, 'm.room.message', { msgtype: 'm.text', body: text, ...more })
  }

  async reply(room: string, to: string, text: string): Promise<string> {
    return this.say(room, text, { 'm.relates_to': { 'm.in_reply_to': { event_id: to } } })
  }

  async edit(room: string, event: string, text: string): Promise<string> {
    return this.say(room, `* ${text}`, {
      'm.new_content': { msgtype: 'm.text', body: text },
      'm.relates_to': { rel_type: 'm.replace', event_id: event },
    })
  }

  async react(room: string, event: string, key: string): Promise<string> {
    return this.send(room, 'm.reaction', {
      'm.relates_to': { rel_type: 'm.annotation', event_id: event, key },
    })
  }

  async redact(room: string, event: string): Promise<string> {
    const path = `/rooms/${encodeURIComponent(room)}/redact/${encodeURIComponent(event)}/${randomUUID()}`
    return (await this.call<{ event_id: string }>('PUT', path, {})).event_id
  }

  /** With the same `transaction` a second time is the same message. */
  async send(
    room: string,
    type: string,
    content: Readonly<Record<string, unknown>>,
    transaction: string = randomUUID(),
  ): Promise<string> {
    const path = `/rooms/${encodeURIComponent(room)}/send/${type}/${transaction}`
    return (await this.call<{ event_id: string }>('PUT', path, content)).event_id
  }

  async setState(
    room: string,
    type: string,
    content: Readonly<Record<string, unknown>>,
    key = '',
  ): Promise<void> {
    await this.call(
      'PUT',
      `/rooms/${encodeURIComponent(room)}/state/${type}/${encodeURIComponent(key)}`,
      content,
    )
  }

  /** `join`, `invite`, `leave`, `ban`; undefined for who never had to do with the room. */
  async membership(room: string, user: string): Promise<string | undefined> {
    const members = `/rooms/${encodeURIComponent(room)}/members`
    const { chunk } = await this.call<{ chunk: MatrixEvent[] }>('GET', members)
    const membership = chunk.find(({ state_key: member }) => member === user)?.content['membership']
    return typeof membership === 'string' ? membership : undefined
  }

  async waitForMembership(room: string, user: string, membership: string): Promise<void> {
    await eventually(
      async () => (await this.membership(room, user)) === membership,
      `${membership} of ${user} in ${room}`,
    )
  }

  /** All that happened in the room and can be seen, oldest first. */
  async timeline(room: string): Promise<readonly MatrixEvent[]> {
    const events: MatrixEvent[] = []
    for (let from: string | undefined = ''; from !== undefined;) {
      const query: string = from === '' ? '' : `&from=${encodeURIComponent(from)}`
      const path = `/rooms/${encodeURIComponent(room)}/messages?dir=b&limit=500${query}`
      const page: { chunk: MatrixEvent[]; end?: string } = await this.call('GET', path)
      events.push(...page.chunk)
      from = page.chunk.length === 0 ? undefined : page.end
    }
    return events.toReversed()
  }

  /** What `sender` wrote there, without what was taken back; edits are events of their own. */
  async messagesOf(room: string, sender: string): Promise<readonly MatrixEvent[]> {
    const events = await this.timeline(room)
    return events.filter(
      (event) =>
        event.type === 'm.room.message' &&
        event.sender === sender &&
        event.unsigned?.redacted_because === undefined,
    )
  }

  async waitForEvent(room: string, what: string, is: (event: MatrixEvent) => boolean): Promise<MatrixEvent> {
    return eventually(async () => (await this.timeline(room)).find(is), what)
  }

  /** Makes one call of the client-server API, and fails on anything but success. */
  async call<T>(method: string, path: string, body?: unknown): Promise<T> {
    const answer = await fetch(`${this.#url}/_matrix/client/v3${path}`, {
      method,
      headers: { authorization: `Bearer ${this.account.accessToken}` },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`)
    return (await answer.json()) as T
  }
}
