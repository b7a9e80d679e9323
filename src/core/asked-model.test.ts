import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { message, ScriptedProvider, setStage, shows, type StageOptions } from '../../tests/support/stage.ts'
import type { ModelList } from './provider.ts'

class ProviderWithModels extends ScriptedProvider {
  list: () => Promise<ModelList> = async () => ({
    models: [
      { id: 'big', name: 'The big one', efforts: ['low', 'high'] },
      { id: 'small', name: 'Mini', efforts: [] },
    ],
  })

  async models(): Promise<ModelList> {
    return this.list()
  }
}

function begin(more: StageOptions = {}) {
  const provider = new ProviderWithModels()
  const stage = setStage({ provider, ...more })
  /** What the provider was given when `text` was said; `shown` is looked for in its answer. */
  const given = async (text: string, shown: RegExp) => {
    const before = provider.turns.length
    await stage.hear(message(text))
    await shows(stage, shown)
    const { prompt, model, effort } = provider.turns[before] ?? assert.fail('no turn')
    return { prompt, model, effort }
  }
  return { provider, stage, given }
}

test('@model words: that model answers this once, its name stands above the answer, and the choice of the chat stays', async () => {
  const { stage, given } = begin()
  await stage.hear(message('/model big'))
  await stage.hear(message('/effort high'))
  await shows(stage, /high/)
  assert.deepEqual(await given('@SMALL  be quick', /Mini, for this message[^]*echo be quick/), {
    prompt: 'be quick',
    model: 'small',
    effort: undefined,
  })
  assert.deepEqual(await given('@The be slow', /echo @The be slow/), {
    prompt: '@The be slow',
    model: 'big',
    effort: 'high',
  })
  assert.equal((await given('@mini again', /echo again/)).model, 'small')
})

test('/model with a name that the provider does not list is passed on, and the slip is told at once', async () => {
  const { stage, given } = begin()
  await stage.hear(message('/model smal'))
  await shows(
    stage,
    /with smal from now on\. That is none of the models that it lists; did you mean \/model small\?/,
  )
  assert.equal((await given('go', /echo go/)).model, 'smal')
  await stage.hear(message('/model something-else'))
  await shows(stage, /something-else from now on\..* lists; \/model shows them\./)
  await stage.hear(message('/model Mini'))
  await shows(stage, /with small from now on\. It begins/)
})

test('what names no model is a prompt, also where the provider cannot tell its models', async () => {
  const { provider, given } = begin()
  assert.equal((await given('@big', /echo @big$/)).model, undefined)
  assert.equal((await given('ask @big about it', /echo ask @big/)).model, undefined)
  provider.list = () => Promise.reject(new Error('not signed in'))
  assert.equal((await given('@big go on', /echo @big go on/)).model, undefined)
})

test('a file of the workspace that is called so is meant, and nobody is asked for models', async (t) => {
  const workspace = mkdtempSync(join(tmpdir(), 'ductor-asked-'))
  t.after(() => rmSync(workspace, { recursive: true }))
  writeFileSync(join(workspace, 'big'), '')
  const { provider, given } = begin({ workspace })
  provider.list = () => assert.fail('it was asked')
  assert.equal((await given('@big go on', /echo @big go on/)).model, undefined)
})

test('a session of that name comes before the model', async () => {
  const { stage, given } = begin()
  await stage.hear(message('/session big Begin.'))
  await shows(stage, /echo Begin\./)
  assert.deepEqual(await given('@big go on', /echo go on/), {
    prompt: 'go on',
    model: undefined,
    effort: undefined,
  })
})

test('/stop while the provider tells its models ends the turn before it has begun', async () => {
  const { provider, stage } = begin()
  const told = Promise.withResolvers<ModelList>()
  const asked = Promise.withResolvers<void>()
  provider.list = () => {
    asked.resolve()
    return told.promise
  }
  await stage.hear(message('@big go on'))
  await asked.promise
  const stopped = stage.hear(message('/stop'))
  told.resolve({ models: [] })
  await stopped
  await shows(stage, /Stopped|stopped/)
  assert.equal(provider.turns.length, 0)
})
