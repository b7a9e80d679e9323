import assert from 'node:assert/strict'
import { test } from 'node:test'
import { shared } from './shared.ts'

test('those who ask while one look is under way share the next one, and nobody gets an older one', async () => {
  const looks: PromiseWithResolvers<string>[] = []
  const look = shared(() => {
    const mine = Promise.withResolvers<string>()
    looks.push(mine)
    return mine.promise
  })
  const first = look()
  await Promise.resolve()
  const others = [look(), look(), look()]
  looks[0]?.resolve('as it was')
  assert.equal(await first, 'as it was')
  await new Promise(setImmediate)
  assert.equal(looks.length, 2)
  const last = look()
  looks[1]?.resolve('as it is')
  assert.deepEqual(await Promise.all(others), ['as it is', 'as it is', 'as it is'])
  await new Promise(setImmediate)
  looks[2]?.resolve('as it is by now')
  assert.equal(await last, 'as it is by now')
})

test('a look that fails fails for those who shared it, and for nobody else', async () => {
  let count = 0
  const look = shared(async () => {
    count += 1
    if (count === 1) throw new Error('no such folder')
    return count
  })
  const [one, two] = await Promise.allSettled([look(), look()])
  assert.deepEqual([one.status, two.status], ['rejected', 'rejected'])
  assert.equal(await look(), 2)
})
