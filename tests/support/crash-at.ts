// Loaded before ductor itself (node --import): ends the process with SIGKILL at one of its durable steps, and writes
// down which steps there are. It counts from the moment on at which the file DUCTOR_CRASH_TRIGGER is there.
import { appendFileSync, existsSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'

const journal = process.env['DUCTOR_CRASH_JOURNAL']
const trigger = process.env['DUCTOR_CRASH_TRIGGER']
const at = process.env['DUCTOR_CRASH_AT']

const seen = new Map<string, number>()

function step(what: string): void {
  if (trigger === undefined || journal === undefined || !existsSync(trigger)) return
  const count = (seen.get(what) ?? 0) + 1
  seen.set(what, count)
  const name = `${what} #${count}`
  appendFileSync(journal, `${name}\n`)
  if (name === at) process.kill(process.pid, 'SIGKILL')
}

/** A call in a few words, if it sends something, acknowledges something, or takes something back. */
function callOf(input: unknown, method = 'GET'): string | undefined {
  const url = String(input instanceof Request ? input.url : input)
  const telegram = /\/bot[^/]+\/(sendMessage|editMessageText|deleteMessage|getUpdates)$/.exec(url)?.[1]
  if (telegram !== undefined) return telegram
  if (method === 'PUT' && /\/rooms\/[^/]+\/send\//.test(url)) return 'send'
  if (/\/_matrix\/client\/v3\/sync\b/.test(url)) return 'sync'
  return undefined
}

// The demo agent inherits the environment; only ductor itself is to be ended.
if (process.argv[1]?.endsWith('ductor.mjs') === true) {
  // It is called with the database of each call.
  // oxlint-disable-next-line typescript/unbound-method
  const { exec } = DatabaseSync.prototype
  DatabaseSync.prototype.exec = function (sql) {
    const commits = sql === 'commit'
    if (commits) step('before commit')
    exec.call(this, sql)
    if (commits) step('after commit')
  }
  const { fetch: send } = globalThis
  globalThis.fetch = async (input, init) => {
    const call = callOf(input, init?.method)
    if (call === undefined) return send(input, init)
    step(`before ${call}`)
    const response = await send(input, init)
    step(`after ${call}`)
    return response
  }
}
