import assert from 'node:assert/strict'
import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { test } from 'node:test'
import { InMemoryStore } from '../../../tests/contracts/in-memory.ts'
import { eventually } from '../../../tests/support/eventually.ts'
import { silentLog } from '../../../tests/support/stage.ts'
import { DeliveryError, type Content } from '../../core/transport.ts'
import type { Part } from '../../core/view.ts'
import definition from './index.ts'

const place = { key: 'web:one', transport: 'web', chat: 'one' }
const never = new AbortController().signal

/** The transport as it listens, and calls as the page makes them. */
async function open({ full = false, maxFileMb = 1 } = {}) {
  const home = mkdtempSync(join(tmpdir(), 'ductor-web-'))
  const store = new InMemoryStore()
  const end = new AbortController()
  let address = ''
  let posts = 0
  const transport = await definition.open(definition.config.parse({ web: { max_file_mb: maxFileMb } }), {
    home,
    log: silentLog,
    memory: {
      recall: (key) => store.recall(key),
      list: (prefix) => store.list(prefix),
      remember(entries) {
        if (disk.full) throw Object.assign(new Error('database or disk is full'), { errcode: 13 })
        store.remember(entries)
      },
    },
    report: ({ account }) => {
      address = account ?? address
    },
    heard() {},
  })
  /** Until `room` is resolved, what is heard waits for the disk. */
  const disk = { full: false, room: Promise.resolve(), waiting: 0 }
  const intake = store.intake(end.signal)
  const take: typeof intake.take = async (...batch) => {
    disk.waiting += 1
    await disk.room
    return intake.take(...batch)
  }
  const listening = transport.listen({ ...intake, take }, end.signal)
  await eventually(() => address !== '')
  disk.full = full
  const [base = '', token = ''] = address.split('/#token=')
  return {
    home,
    store,
    transport,
    disk,
    base,
    token,
    call: (
      path: string,
      { headers, ...init }: Omit<RequestInit, 'headers'> & { headers?: Record<string, string> } = {},
    ) =>
      fetch(`${base}/api/${path}`, {
        ...init,
        headers: { Authorization: `Bearer ${token}`, ...headers },
      }),
    tell(path: string, body: object) {
      const headers = { 'Content-Type': 'application/json' }
      return this.call(path, { method: 'POST', body: JSON.stringify(body), headers })
    },
    async upload(name: string, body: string | Uint8Array<ArrayBuffer>, type = 'text/plain') {
      const path = `files?name=${encodeURIComponent(name)}`
      return this.call(path, { method: 'POST', body, headers: { 'Content-Type': type } })
    },
    /** Posts what shows these parts; gives what the page is shown of it. */
    async post(...parts: Part[]): Promise<Content[]> {
      for (const content of transport.render({ state: 'ended', parts, choices: [] })) {
        posts += 1
        await transport.deliver({ type: 'post', place, content, key: `k${posts}`, notify: true }, never)
      }
      const page = (await (await this.call('conversations/one')).json()) as {
        messages: { content: Content }[]
      }
      return page.messages.map(({ content }) => content)
    },
    async [Symbol.asyncDispose]() {
      end.abort()
      await listening
      rmSync(home, { recursive: true, force: true })
    },
  }
}

/** A request with headers that `fetch` does not let one set. */
async function bare(base: string, path: string, headers: Record<string, string>): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>()
  const sent = request(`${base}${path}`, { headers }, (response) => {
    response.resume()
    resolve(response.statusCode ?? 0)
  })
  sent.on('error', reject)
  sent.end()
  return promise
}

const idOf = async (response: Response) => ((await response.json()) as { id: string }).id
const fileIn = (content: Content | undefined) => content?.['file'] as { id: string }

test('no call is answered without the token, under another name, or from another site’s page', async () => {
  await using page = await open()
  const id = await idOf(await page.upload('a.txt', 'secret'))
  const authorization = `Bearer ${page.token}`
  const host = page.base.replace('http://', '')
  for (const path of ['/api/conversations', '/api/stream', `/api/files/${id}`]) {
    assert.equal(await bare(page.base, path, {}), 401, path)
    assert.equal(await bare(page.base, path, { authorization: `${authorization}x` }), 401, path)
    assert.equal(await bare(page.base, path, { authorization, host: 'evil.example' }), 403, path)
    assert.equal(await bare(page.base, path, { authorization, origin: 'http://evil.example' }), 403, path)
    assert.equal(await bare(page.base, path, { authorization, origin: 'null' }), 403, path)
  }
  assert.equal(await bare(page.base, `/api/files/${id}`, { authorization, origin: `http://${host}` }), 200)
  assert.equal(await bare(page.base, '/', { host: 'evil.example' }), 403)
  assert.equal(await bare(page.base, `/?token=${page.token}`, {}), 200)
  assert.equal(await bare(page.base, `/api/conversations?token=${page.token}`, {}), 401)
  for (const path of ['/../package.json', '/%2e%2e/server.ts', '/lib/../app.ts', '/page/app.js'])
    assert.equal(await bare(page.base, path, {}), 404, path)
})

test('a file that is sent is stored under a safe name and comes with its message', async () => {
  await using page = await open()
  const first = await idOf(await page.upload('../../Bericht “eins”.pdf', 'pdf', 'application/pdf'))
  const second = await idOf(await page.upload('photo.jpg', 'jpg', 'image/jpeg'))
  const said = { id: 'm1', conversation: 'one', text: '', files: [first, second] }
  assert.equal((await page.tell('messages', said)).status, 202)
  assert.equal((await page.tell('messages', said)).status, 202)
  const [message] = page.store.taken
  assert.equal(page.store.taken.length, 1)
  assert.equal(message?.kind, 'message')
  const [pdf, jpg] = message.attachments ?? []
  assert.deepEqual(
    { ...pdf, path: '' },
    {
      kind: 'file',
      name: '../../Bericht “eins”.pdf',
      mimeType: 'application/pdf',
      size: 3,
      path: '',
    },
  )
  assert.equal(jpg?.kind, 'picture')
  const day = join(page.home, 'workspace', 'web_files', new Date().toISOString().slice(0, 10))
  assert.equal(pdf?.path?.startsWith(`${day}/`), true)
  assert.equal(readFileSync(pdf?.path ?? '', 'utf8'), 'pdf')
  assert.deepEqual(readdirSync(day), ['_.._Bericht “eins”.pdf', 'photo.jpg'].toSorted())
  // It belongs to a message now.
  await page.call(`files/${second}`, { method: 'DELETE' })
  assert.equal((await page.call(`files/${second}`)).status, 200)
})

test('a file that is too large is refused in words, and one that is not wanted any more goes', async () => {
  await using page = await open()
  const refused = await page.upload('big.bin', new Uint8Array(1024 * 1024 + 1))
  assert.equal(refused.status, 413)
  assert.match(((await refused.json()) as { error: string }).error, /at most 1 MB/)
  // One that does not say how large it is.
  const body = ReadableStream.from([new Uint8Array(1024 * 1024), new Uint8Array(1)])
  const streamed = await page.call('files?name=a', { method: 'POST', body, duplex: 'half' })
  assert.equal(streamed.status, 413)
  const id = await idOf(await page.upload('a.txt', 'a'))
  assert.equal((await page.call(`files/${id}`, { method: 'DELETE' })).status, 200)
  assert.equal((await page.call(`files/${id}`)).status, 404)
  const day = join(page.home, 'workspace', 'web_files', new Date().toISOString().slice(0, 10))
  assert.deepEqual(readdirSync(day), [])
})

test('nothing that is served as a file can be live in the page', async () => {
  await using page = await open()
  const live = [
    ['a.html', 'text/html'],
    ['a.svg', 'image/svg+xml'],
    ['a.xml', 'application/xhtml+xml'],
    ['a.js', 'text/javascript'],
    ['a.pdf', 'application/pdf'],
    ['a', 'IMAGE/SVG+XML; x'],
    ['a', 'text/html\u0001'.replace('\u0001', ',image/png')],
  ] as const
  for (const [name, type] of live) {
    const response = await page.call(
      `files/${await idOf(await page.upload(name, '<script>1</script>', type))}`,
    )
    assert.equal(response.headers.get('content-type'), 'application/octet-stream', type)
    assert.match(response.headers.get('content-disposition') ?? '', /^attachment/)
    assert.equal(response.headers.get('x-content-type-options'), 'nosniff')
    assert.match(response.headers.get('content-security-policy') ?? '', /sandbox/)
  }
  const png = await page.call(`files/${await idOf(await page.upload('a.png', 'x', 'image/png'))}`)
  assert.equal(png.headers.get('content-type'), 'image/png')
})

test('a file of the agent is shown as it was when it was sent, and never what a link leads to since', async () => {
  await using page = await open()
  const path = join(page.home, 'report.txt')
  const part: Part = { kind: 'file', path, name: 'report.txt', mimeType: 'text/plain', size: 3 }
  writeFileSync(path, 'old')
  const [text, file] = await page.post({ kind: 'text', text: 'Here it is.' }, part)
  assert.equal(JSON.stringify([text, file]).includes(page.home), false)
  writeFileSync(path, 'new')
  const { id } = fileIn(file)
  const response = await page.call(`files/${id}`)
  assert.equal(await response.text(), 'old')
  assert.equal(response.headers.get('content-disposition'), `attachment; filename*=UTF-8''report.txt`)
  rmSync(path)
  symlinkSync('/etc/hostname', path)
  await assert.rejects(
    page.post(part),
    (error) => error instanceof DeliveryError && error.failure === 'rejected',
  )
})

test('while the disk is full nothing is acknowledged, and an answer is only put off', async () => {
  await using page = await open()
  page.disk.full = true
  assert.equal((await page.upload('a.txt', 'a')).status, 507)
  const day = join(page.home, 'workspace', 'web_files', new Date().toISOString().slice(0, 10))
  assert.deepEqual(readdirSync(day), [])
  await assert.rejects(
    page.post({ kind: 'text', text: 'answer' }),
    (error) => error instanceof DeliveryError && error.failure === 'unreachable',
  )
  page.disk.full = false
  assert.deepEqual(
    (await page.post({ kind: 'text', text: 'answer' })).map(({ parts }) => parts),
    [[{ kind: 'html', html: '<p>answer</p>' }]],
  )
})

test('a message that is sent again while the first try waits for the disk is in the chat once', async () => {
  await using page = await open()
  const { promise: room, resolve: free } = Promise.withResolvers<void>()
  page.disk.room = room
  const say = () => page.tell('messages', { id: 'm1', conversation: 'one', text: 'hello' })
  const first = say()
  await eventually(() => page.disk.waiting === 1)
  const second = say()
  // It has been heard when what came long after it is answered.
  for (let calls = 0; calls < 20; calls += 1) await page.call('conversations')
  free()
  assert.deepEqual([(await first).status, (await second).status], [202, 202])
  const { messages } = (await (await page.call('conversations/one')).json()) as { messages: unknown[] }
  assert.equal(messages.length, 1)
})

test('a conversation that is removed takes its files with it', async () => {
  await using page = await open()
  const path = join(page.home, 'a.txt')
  writeFileSync(path, 'a')
  const id = await idOf(await page.upload('mine.txt', 'mine'))
  await page.tell('messages', { id: 'm1', conversation: 'one', text: 'look', files: [id] })
  await page.post({ kind: 'file', path, name: 'a.txt', mimeType: 'text/plain', size: 1 })
  assert.equal((await page.call('conversations/one', { method: 'DELETE' })).status, 200)
  assert.deepEqual(await (await page.call('conversations')).json(), [])
  assert.equal((await page.call(`files/${id}`)).status, 404)
  const day = join(page.home, 'workspace', 'web_files', new Date().toISOString().slice(0, 10))
  assert.deepEqual(readdirSync(day), [])
  assert.deepEqual(readdirSync(join(page.home, 'web_files', basename(day))), [])
  assert.deepEqual(page.store.list('file:'), [])
})

test('what is older than the history goes with its files, and what is younger stays', async () => {
  await using page = await open()
  const path = join(page.home, 'a.txt')
  writeFileSync(path, 'a')
  const id = await idOf(await page.upload('mine.txt', 'mine'))
  await page.tell('messages', { id: 'm1', conversation: 'one', text: 'look', files: [id] })
  await page.post({ kind: 'file', path, name: 'a.txt', mimeType: 'text/plain', size: 1 })
  const between = Date.now() + 1
  await eventually(() => Date.now() > between)
  await page.tell('messages', { id: 'm2', conversation: 'one', text: 'still here', files: [] })
  await page.transport.prune?.(between)
  const left = (await (await page.call('conversations/one')).json()) as {
    messages: { ref: string }[]
  }
  assert.deepEqual(
    left.messages.map(({ ref }) => ref),
    ['m2'],
  )
  assert.equal((await page.call(`files/${id}`)).status, 404)
  assert.deepEqual(page.store.list('file:'), [])
  await page.transport.prune?.(Date.now() + 1)
  assert.deepEqual(await (await page.call('conversations')).json(), [])
  assert.deepEqual(
    page.store
      .list('')
      .map(([key]) => key)
      .filter((key) => !/^(port|token|seq)$/.test(key)),
    [],
  )
})

test('what a link leads to that somebody put in the place of our folder is neither shown nor removed', async () => {
  await using page = await open()
  const id = await idOf(await page.upload('secret.txt', 'harmless'))
  const received = join(page.home, 'workspace', 'web_files')
  const elsewhere = join(page.home, 'elsewhere')
  renameSync(received, elsewhere)
  symlinkSync(elsewhere, received)
  assert.equal((await page.call(`files/${id}`)).status, 404)
  await page.call(`files/${id}`, { method: 'DELETE' })
  assert.equal(readdirSync(elsewhere, { recursive: true }).length, 2)
})
