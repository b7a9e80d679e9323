import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import { test } from 'node:test'
import { Attachment, EncryptedAttachment } from '@matrix-org/matrix-sdk-crypto-wasm'
import { encryptedFile, FileOpener, FileSealer, SpoiledFile } from './attachment.ts'

const url = 'mxc://hs.test/file'

/** In pieces of odd sizes, as a network brings them. */
function* pieces(bytes: Buffer): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += 1021) yield bytes.subarray(at, at + 1021)
}

async function through(bytes: Buffer, stream: FileSealer | FileOpener): Promise<Buffer> {
  const [out] = await Promise.all([
    buffer(stream),
    pipeline(Readable.from(pieces(bytes)), stream, { end: true }),
  ])
  return out
}

for (const size of [0, 1, 16, 1021, 100_000]) {
  test(`a file of ${size} bytes is read by the official library, and its files by us`, async () => {
    const bytes = randomBytes(size)
    const sealer = new FileSealer()
    const sealed = await through(bytes, sealer)
    const theirs = new EncryptedAttachment(sealed, JSON.stringify({ ...sealer.fileKey, url }))
    assert.deepEqual(Buffer.from(Attachment.decrypt(theirs)), bytes)

    const other = Attachment.encrypt(bytes)
    const file = encryptedFile.parse({ ...JSON.parse(other.mediaEncryptionInfo ?? ''), url })
    assert.deepEqual(await through(Buffer.from(other.encryptedData), new FileOpener(file)), bytes)
  })
}

test('a file that was changed on its way, or a key that is none, is refused', async () => {
  const sealer = new FileSealer()
  const sealed = await through(Buffer.from('pay me 10'), sealer)
  const file = encryptedFile.parse({ ...sealer.fileKey, url })
  sealed.writeUInt8(sealed.readUInt8(7) ^ 8, 7)
  await assert.rejects(through(sealed, new FileOpener(file)), SpoiledFile)
  assert.throws(() => new FileOpener({ ...file, iv: 'AAAA' }), SpoiledFile)
  assert.throws(() => new FileOpener({ ...file, key: { ...file.key, k: 'short' } }), SpoiledFile)
})

test('what a message has to hold is known only when the file is encrypted to its end', () => {
  assert.throws(() => new FileSealer().fileKey, /not encrypted to its end/)
})
