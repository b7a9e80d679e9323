import assert from 'node:assert/strict'
import { existsSync, readdirSync } from 'node:fs'
import { test } from 'node:test'
import { adapterNames, loadProvider, loadTransport } from '../src/adapters.ts'

for (const name of adapterNames('transports')) {
  test(`the folder transports/${name} has its definition, its contract test and its README`, async () => {
    const definition = await loadTransport(name)
    assert.equal(definition.name, name)
    assert.match(definition.prefix, /^[a-z]+$/)
    assert.equal(typeof definition.open, 'function')
    assert.equal(typeof definition.config.safeParse, 'function')
    complete(`transports/${name}`)
  })
}

for (const name of adapterNames('providers')) {
  test(`the folder providers/${name} has its definition, its contract test and its README`, async () => {
    const definition = await loadProvider(name)
    assert.equal(definition.name, name)
    assert.ok(Array.isArray(definition.programs))
    assert.equal(typeof definition.open, 'function')
    assert.equal(typeof definition.config.safeParse, 'function')
    complete(`providers/${name}`)
  })
}

test('no two transports write their places with the same prefix', async () => {
  const prefixes = await Promise.all(
    adapterNames('transports').map(async (name) => (await loadTransport(name)).prefix),
  )
  assert.equal(new Set(prefixes).size, prefixes.length)
})

function complete(folder: string): void {
  const url = new URL(`../src/${folder}/`, import.meta.url)
  assert.ok(existsSync(new URL('README.md', url)), 'README.md')
  assert.ok(
    readdirSync(url).some((file) => file.endsWith('contract.test.ts')),
    'a contract test',
  )
}
