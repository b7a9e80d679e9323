import assert from 'node:assert/strict'
import { test } from 'node:test'
import { authorise, type Attempt, type Policy } from './authorise.ts'

const open: Policy = { users: 'everyone', rooms: 'everywhere', privateChats: 'listed', mentionOnly: false }
const closed: Policy = { ...open, users: new Set(['owner']), rooms: new Set(['listed']), mentionOnly: true }
const acts = ['message', 'edit', 'redaction', 'press', 'invite', 'upload'] as const

function attempt(more: Partial<Attempt> = {}): Attempt {
  return { act: 'message', sender: 'owner', chat: 'listed', group: true, addressed: true, ...more }
}

function reason(policy: Policy, more: Partial<Attempt>): string | undefined {
  const verdict = authorise(policy, attempt(more))
  return verdict.allowed ? undefined : verdict.reason
}

test('empty lists let everybody in, everywhere', () => {
  for (const act of acts)
    for (const group of [true, false])
      assert.equal(
        reason(open, { act, group, sender: 'anybody', chat: 'anywhere', addressed: false }),
        undefined,
      )
})

test('whoever is not listed does nothing, whatever it is, however the bot is called, in private as in a group', () => {
  for (const act of acts)
    for (const group of [true, false])
      for (const addressed of [true, false])
        assert.equal(
          reason(closed, { act, group, addressed, sender: 'stranger' }),
          'sender stranger is not in the list of allowed users',
        )
})

test('in a room that is not listed nobody does anything', () => {
  for (const act of acts)
    for (const sender of ['owner', 'stranger'])
      assert.equal(
        reason(closed, { act, sender, chat: 'elsewhere' }),
        'room elsewhere is not in the list of allowed rooms',
      )
})

test('an empty list of rooms is not a list in which none is', () => {
  assert.equal(reason({ ...open, rooms: new Set() }, {}), 'room listed is not in the list of allowed rooms')
  assert.equal(reason({ ...open, users: new Set() }, {}), 'sender owner is not in the list of allowed users')
})

test('a private chat has to be listed where it is a room, and not where it is none', () => {
  const elsewhere = { group: false, chat: 'private' }
  assert.match(reason(closed, elsewhere) ?? '', /not in the list of allowed rooms/)
  assert.equal(reason({ ...closed, privateChats: 'open' }, elsewhere), undefined)
  assert.match(
    reason({ ...closed, privateChats: 'open' }, { ...elsewhere, group: true }) ?? '',
    /allowed rooms/,
  )
})

test('with group_mention_only, only a message in a group has to be addressed', () => {
  assert.equal(reason(closed, { addressed: false }), 'not addressed to the bot (group_mention_only)')
  assert.equal(reason(closed, { addressed: false, group: false }), undefined)
  for (const act of acts.filter((one) => one !== 'message'))
    assert.equal(reason(closed, { act, addressed: false }), undefined)
  assert.equal(reason({ ...closed, mentionOnly: false }, { addressed: false }), undefined)
})
