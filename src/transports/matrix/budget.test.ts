import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Budget, TooSoon } from './budget.ts'
import { MatrixError } from './client.ts'

/** Synapse's own limiter: ten at once, then one in five seconds. */
class Limiter {
  now = 0
  refusals = 0
  #tokens = 10
  #at = 0

  async call(): Promise<void> {
    this.#tokens = Math.min(10, this.#tokens + (this.now - this.#at) / 5000)
    this.#at = this.now
    if (this.#tokens >= 1) {
      this.#tokens -= 1
      return
    }
    this.refusals += 1
    const refusal = { errcode: 'M_LIMIT_EXCEEDED' }
    throw new MatrixError('PUT', 429, refusal, (1 - this.#tokens) * 5000, refusal)
  }
}

test('a homeserver without limits is never waited for', async () => {
  const budget = new Budget(() => 0)
  for (let index = 0; index < 1000; index++) await budget.spend('looks', async () => {})
  assert.equal(budget.paceMs, undefined)
})

test('the limits of a homeserver are learned, and then hardly ever met again', async () => {
  const limiter = new Limiter()
  const budget = new Budget(() => limiter.now)
  let said = 0
  for (let tries = 0; said < 100 && tries < 1000; tries++) {
    try {
      await budget.spend('words', () => limiter.call())
      said += 1
    } catch (error) {
      assert.ok(error instanceof TooSoon || error instanceof MatrixError)
      limiter.now += error instanceof TooSoon ? error.afterMs : (error.retryAfterMs ?? 0)
    }
  }
  assert.equal(said, 100)
  assert.ok(limiter.refusals < 6, `${limiter.refusals} refusals`)
  assert.ok(limiter.now < 90 * 5000 * 1.3, 'and no time is wasted')
})

test('complaints of a homeserver without a limit are soon forgotten', async () => {
  let now = 0
  const budget = new Budget(() => now)
  const refusal = { errcode: 'M_LIMIT_EXCEEDED' }
  const write = async (): Promise<void> => {
    if (now < 60_000) throw new MatrixError('PUT', 429, refusal, 4321, refusal)
  }
  for (let said = 0; said < 100;) {
    try {
      await budget.spend('words', write)
      said += 1
    } catch (error) {
      now += error instanceof TooSoon ? error.afterMs : 4321
    }
  }
  assert.ok(now < 5 * 60_000, `100 messages took ${now} ms`)
})

test('where there is a limit, words do not wait for looks', async () => {
  const limiter = new Limiter()
  const budget = new Budget(() => limiter.now)
  const spend = (what: 'words' | 'looks') => budget.spend(what, () => limiter.call())
  for (let index = 0; index < 10; index++) await spend('looks')
  await assert.rejects(spend('looks'), MatrixError)
  limiter.now += 11_000
  await assert.rejects(spend('looks'), TooSoon)
  await spend('words')
  limiter.now += 20_000
  await spend('looks')
})
