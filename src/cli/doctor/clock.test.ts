import assert from 'node:assert/strict'
import { createServer, get } from 'node:http'
import { test, type TestContext } from 'node:test'
import { watchClock } from './clock.ts'

const hour = 3600_000

async function serverAt(t: TestContext, date: string | undefined): Promise<string> {
  const server = createServer((_request, response) => {
    response.sendDate = false
    if (date !== undefined) response.setHeader('date', date)
    response.end('fine')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  const address = server.address()
  return `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`
}

async function byHttp(url: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    get(url, (response) => response.resume().on('end', resolve)).on('error', reject)
  })
}

async function byFetch(url: string): Promise<void> {
  await (await fetch(url)).text()
}

for (const [name, ask] of Object.entries({ byFetch, byHttp })) {
  test(`a clock that is wrong is found in the answers of any server (${name})`, async (t) => {
    const url = await serverAt(t, 'Tue, 24 Nov 2026 12:00:00 GMT')
    const noon = Date.UTC(2026, 10, 24, 12)
    for (const [off, level, what] of [
      [0, 'ok', /agrees/],
      [2 * hour, 'warning', /7200 s ahead of/],
      [-hour, 'warning', /3600 s behind/],
    ] as const) {
      using clock = watchClock(() => noon + off)
      await ask(url)
      const [finding] = clock.findings()
      assert.equal(finding?.level, level)
      assert.match(finding?.what ?? '', what)
    }
  })
}

test('where nobody told the time, nothing is said of it', async (t) => {
  using clock = watchClock()
  await byFetch(await serverAt(t, undefined))
  assert.deepEqual(clock.findings(), [])
})
