import assert from 'node:assert/strict'
import { test } from 'node:test'
import { eventually } from '../../tests/support/eventually.ts'
import { message, press, setStage, shows, untilAborted, type Stage } from '../../tests/support/stage.ts'

function sessions(stage: Stage): void {
  stage.provider.script = ({ prompt, strand, resume }, signal) =>
    prompt === 'long'
      ? [{ type: 'text', delta: `working in ${strand}` }, () => untilAborted(signal)]
      : [
          { type: 'session.started', sessionId: resume ?? `session of ${strand || 'main'}` },
          { type: 'text', delta: `${prompt} in ${resume ?? 'new'}` },
          { type: 'turn.ended', stop: 'end_turn' },
        ]
}

test('a named session runs beside the main one, under its name, and is gone on with by @name', async () => {
  const stage = setStage()
  sessions(stage)
  await stage.hear(message('long'))
  await shows(stage, 'working in ')
  await stage.hear(message('/session Docs write the readme'))
  await shows(stage, '@docs\nwrite the readme in new')
  await stage.hear(message('@docs and the licence'))
  await shows(stage, '@docs\nand the licence in session of docs')
  await stage.gateway.close(0)
})

test('a reply to an answer of a named session goes there', async () => {
  const stage = setStage()
  sessions(stage)
  await stage.hear(message('/session docs one'))
  await shows(stage, '@docs\none in new')
  const sheet = stage.transport.sheets.find(({ text }) => text.startsWith('@docs\none'))
  await stage.hear(message('two', { replyTo: { messageId: sheet?.ref ?? '', text: 'one' } }))
  await eventually(() => stage.provider.turns.length === 2)
  assert.equal(stage.provider.turns[1]?.strand, 'docs')
  assert.equal(stage.provider.turns[1]?.prompt, '(in reply to:)\n> one\n\ntwo')
})

test('an unknown @name is a prompt for the main session', async () => {
  const stage = setStage()
  sessions(stage)
  await stage.hear(message('@nobody hello'))
  await shows(stage, '@nobody hello in new')
})

test('/stop ends all that runs in the chat, /stop NAME only that', async () => {
  const stage = setStage()
  sessions(stage)
  await stage.hear(message('long'))
  await stage.hear(message('/session docs long'))
  await shows(stage, /working in docs/)
  await stage.hear(message('/stop docs'))
  await shows(stage, 'Stopped.')
  assert.equal(stage.gateway.counts().running, 1)
  await stage.hear(message('/session docs long'))
  await eventually(() => stage.gateway.counts().running === 2)
  await stage.hear(message('/stop'))
  await shows(stage, 'Stopped 2 turns.')
  assert.equal(stage.gateway.counts().running, 0)
})

test('/sessions lists them and ends them; a name that makes no sense is refused with words', async () => {
  const stage = setStage()
  sessions(stage)
  await stage.hear(message('/session ../x hello'))
  await shows(stage, /name is made of letters/)
  await stage.hear(message('/session docs hello'))
  await shows(stage, /hello in new/)
  await stage.hear(message('/sessions'))
  await shows(stage, /@docs – last used .* ago, “hello”/)
  await stage.hear(press(stage, 'End @docs'))
  await shows(stage, /@docs has ended/)
  await stage.hear(message('/sessions'))
  await shows(stage, /no parallel sessions/)
})

test('a word that stops does so only where something runs; else it is a prompt', async () => {
  const stage = setStage()
  sessions(stage)
  await stage.hear(message('stop'))
  await shows(stage, 'stop in new')
  await stage.hear(message('long'))
  await shows(stage, 'working in ')
  await stage.hear(message('Stop'))
  await shows(stage, 'Stopped.')
  assert.equal(stage.provider.turns.length, 2)
})
