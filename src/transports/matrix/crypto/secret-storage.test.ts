import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { decodeRecoveryKey, encodeRecoveryKey } from 'matrix-js-sdk/lib/crypto-api/recovery-key.js'
import { readRecoveryKey, writeRecoveryKey } from './recovery-key.ts'
import { openSecret, sealSecret } from './secret-storage.ts'

test('recovery keys are written and read as other apps do', () => {
  for (const key of [randomBytes(32), Buffer.alloc(32), Buffer.alloc(32, 0xff)]) {
    const text = writeRecoveryKey(key)
    assert.equal(text, encodeRecoveryKey(key))
    assert.deepEqual(Buffer.from(decodeRecoveryKey(text)), key)
    assert.deepEqual(Buffer.from(readRecoveryKey(`  ${text.replaceAll(' ', '\n')} `) ?? []), key)
  }
})

test('what is no recovery key is told from one', () => {
  const text = writeRecoveryKey(randomBytes(32))
  const wrong = text.endsWith('a') ? 'b' : 'a'
  for (const other of [
    '',
    'EsTc',
    text.slice(0, -1),
    text.slice(0, -1) + wrong,
    `${text} ${text}`,
    'O0Il',
    '1'.repeat(99),
  ]) {
    assert.equal(readRecoveryKey(other), undefined, other)
  }
})

test('a secret opens with its key and its name alone', () => {
  const key = randomBytes(32)
  const sealed = sealSecret(key, 'm.cross_signing.master', 'a secret')
  assert.equal(openSecret(key, 'm.cross_signing.master', sealed), 'a secret')
  assert.equal(openSecret(randomBytes(32), 'm.cross_signing.master', sealed), undefined)
  assert.equal(openSecret(key, 'm.megolm_backup.v1', sealed), undefined)
  assert.equal(openSecret(key, 'm.cross_signing.master', { ...sealed, ciphertext: 'AAAA' }), undefined)
  assert.equal(openSecret(key, 'm.cross_signing.master', { ...sealed, iv: 'AAAA' }), undefined)
})
