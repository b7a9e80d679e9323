import assert from 'node:assert/strict'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import sharp from 'sharp'
import { picture, pictureBomb } from './picture.fake.ts'
import { Thumbnails } from './thumbnail.ts'

const signal = AbortSignal.timeout(60_000)

async function studio(t: TestContext) {
  const home = await mkdtemp(join(tmpdir(), 'ductor-thumbnails-'))
  t.after(() => rm(home, { recursive: true, force: true }))
  const folder = join(home, 'uploads')
  const said: string[] = []
  const log = {
    debug() {},
    info: (fields: object, message: string) => void said.push(`${message} ${JSON.stringify(fields)}`),
    warn() {},
    error() {},
  }
  const thumbnails = new Thumbnails({ home, folder, log })
  const of = async (name: string, bytes: Uint8Array) => {
    await writeFile(join(home, name), bytes)
    return thumbnails.of(join(home, name), signal)
  }
  return { of, folder, said }
}

test('a picture has a thumbnail that stands upright, and its file goes when it is done', async (t) => {
  const { of, folder } = await studio(t)
  const lying = await picture('jpeg', { orientation: 6 })
  const thumbnail = (await of('a.jpg', lying)) ?? assert.fail('there is one')
  const { width, height, size, mimeType } = thumbnail
  assert.deepEqual([width, height, mimeType], [450, 600, 'image/jpeg'])
  const bytes = await readFile(thumbnail.path)
  assert.equal(bytes.length, size)
  assert.ok(size <= lying.length / 2)
  const seen = await sharp(bytes).metadata()
  assert.deepEqual([seen.width, seen.height, seen.exif], [450, 600, undefined], 'and tells nothing else')
  await thumbnail.done()
  assert.deepEqual(await readdir(folder), [])
})

test('what can be seen through stays so', async (t) => {
  const { of } = await studio(t)
  const thumbnail = await of('a.webp', await picture('webp', { alpha: true }))
  assert.equal(thumbnail?.mimeType, 'image/png')
  assert.equal((await sharp(thumbnail.path).metadata()).hasAlpha, true)
})

test('a small file needs none', async (t) => {
  const { of, said } = await studio(t)
  assert.equal(await of('a.png', await picture('png', { width: 40, height: 40 })), undefined)
  assert.deepEqual(said, [])
})

for (const [what, name, bytes, why] of [
  ['a picture of a few kilobytes that is huge', 'bomb.png', pictureBomb(10_000), /pixel limit/],
  ['a drawing that calls itself a picture', 'a.png', drawing(), /unsupported image format/],
  ['noise', 'a.jpg', Buffer.alloc(200_000, 'noise'), /unsupported image format/],
] as const) {
  test(`${what} goes without, and that is all`, async (t) => {
    const { of, folder, said } = await studio(t)
    assert.equal(await of(name, bytes), undefined)
    assert.equal(said.length, 1)
    assert.match(said[0] ?? '', /^a picture goes without a thumbnail/)
    assert.match(said[0] ?? '', why)
    assert.deepEqual(await readdir(folder), [])
  })
}

test('many at once are made one after the other', async (t) => {
  const { of } = await studio(t)
  const bytes = await picture('jpeg')
  const all = await Promise.all(['a', 'b', 'c'].map((name) => of(`${name}.jpg`, bytes)))
  assert.deepEqual(
    all.map((one) => one?.width),
    [800, 800, 800],
  )
})

function drawing(): Buffer {
  return Buffer.from(
    `<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9">${' '.repeat(200_000)}</svg>`,
  )
}
