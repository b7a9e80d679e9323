import assert from 'node:assert/strict'
import { FakeTelegram, type FakeOptions } from './telegram.fake.ts'
import type { WireUpdate } from './telegram-updates.fake.ts'
import type { WireMessage } from './telegram-world.fake.ts'

interface Answer {
  readonly status: number
  readonly ok: boolean
  /** A message or a list of updates, as the method gives it. */
  readonly result: WireMessage & readonly WireUpdate[]
  readonly error_code?: number
  readonly description?: string
  readonly parameters?: { readonly retry_after?: number; readonly migrate_to_chat_id?: number }
}

/** A network with a bot on it, spoken to as any HTTP client would. */
export class Wire implements AsyncDisposable {
  readonly network: FakeTelegram

  static async start(options: FakeOptions = {}): Promise<Wire> {
    return new Wire(
      await FakeTelegram.start({ limits: { flood: false, samePollMs: 20, conflictDelayMs: 20 }, ...options }),
    )
  }

  constructor(network: FakeTelegram) {
    this.network = network
  }

  async call(method: string, parameters: object = {}, signal?: AbortSignal): Promise<Answer> {
    const response = await fetch(`${this.network.apiRoot}/bot${this.network.token}/${method}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(parameters),
      ...(signal === undefined ? {} : { signal }),
    })
    const body = (await response.json()) as Omit<Answer, 'status'>
    return { status: response.status, ...body }
  }

  /** Must be refused so. */
  async refused(method: string, parameters: object, description: RegExp, status = 400): Promise<Answer> {
    const answer = await this.call(method, parameters)
    assert.equal(answer.ok, false, JSON.stringify(answer))
    assert.match(answer.description ?? '', description)
    assert.equal(answer.status, status)
    assert.equal(answer.error_code, status)
    return answer
  }

  async updates(offset?: number): Promise<readonly number[]> {
    const { result } = await this.call('getUpdates', offset === undefined ? {} : { offset })
    return result.map(({ update_id: id }) => id)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.network.stop()
  }
}
