import assert from 'node:assert/strict'
import { test } from 'node:test'
import { message, place, silentLog } from '../../tests/support/stage.ts'
import { bring } from './attachments.ts'
import type { Attachment } from './message.ts'
import { promptOf } from './prompt.ts'

test('the files of the message that is answered come along, and what is spoken in it is told apart', async () => {
  const voice: Attachment = { kind: 'voice', name: 'v.ogg', mimeType: 'audio/ogg', path: '/v.ogg' }
  const picture: Attachment = { kind: 'picture', name: 'cat.jpg', mimeType: 'image/jpeg', path: '/cat.jpg' }
  const answered = {
    messageId: 'm',
    text: 'look at her',
    attachments: [picture, { ...voice, path: '/w.ogg' }],
  }
  const asked = message('what is this?', { attachments: [voice], replyTo: answered })
  const transcribe = async (path: string) => `the words of ${path}`
  const brought = await bring(asked, place, { log: silentLog, transcribe }, new AbortController().signal)
  assert.deepEqual(
    brought.map(({ attachment }) => attachment.path),
    ['/v.ogg', '/cat.jpg', '/w.ogg'],
  )
  assert.equal(
    promptOf(asked, brought),
    `(in reply to:)
> look at her

(in reply to what was spoken, and written down by a program:)
> the words of /w.ogg

what is this?

(spoken, and written down by a program:)
the words of /v.ogg

(files that came with this message:)
- voice “v.ogg” (audio/ogg): /v.ogg

(files of the message that it answers:)
- picture “cat.jpg” (image/jpeg): /cat.jpg
- voice “v.ogg” (audio/ogg): /w.ogg`,
  )
})
