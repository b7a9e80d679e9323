// What the person says: kept until ductor has it, in the order of writing.
import { keep, kept } from './kept.js'
import { call, tell } from './line.js'
import { draw, isWorking, newId, state, toast } from './state.js'

const draftKey = () => `draft:${state.current}`

export function loadDraft() {
  const { text = '', files = [] } = kept(draftKey()) ?? {}
  state.draft = { text, files }
}

export function saveDraft() {
  const { text } = state.draft
  const files = state.draft.files.filter(({ id }) => id !== undefined).map(shownOf)
  keep(draftKey(), text === '' && files.length === 0 ? undefined : { text, files })
}

function shownOf({ key, id, name, mimeType, size }) {
  return { key, id, name, mimeType, size }
}

// ── saying ──────────────────────────────────────────────────────────────────────────────────────────────────────

/** Sends the draft; while a file is on its way, as soon as that has come. */
export function send() {
  const { text, files } = state.draft
  if (text.trim() === '' && files.length === 0) return
  if (files.some(({ error }) => error))
    return toast('One of the files was not taken: remove it, or try it again.')
  if (files.some(({ id }) => id === undefined)) {
    state.draft.waiting = true
    return draw()
  }
  state.draft = { text: '', files: [] }
  saveDraft()
  say(text, files.map(shownOf))
}

export function say(text, files = []) {
  const unsent = { id: newId(), conversation: state.current, text, files, at: Date.now() }
  unsent.keptHere = keep(`unsent:${unsent.id}`, unsent)
  state.unsent.push(unsent)
  state.chosen = true
  sessionStorage.setItem('conversation', state.current)
  state.atBottom = true
  draw()
  void resend()
}

let sending = false
/** What could not be sent waits for the line to come back. */
export async function resend() {
  if (sending || state.line === 'refused') return
  sending = true
  try {
    while (state.unsent.length > 0) await sendOne(state.unsent[0])
  } catch {
    // Tried again below.
  } finally {
    sending = false
    draw()
    if (state.unsent.length > 0) setTimeout(resend, 2000)
  }
}

async function sendOne(unsent) {
  const { id, conversation, text, files } = unsent
  const slow = setTimeout(() => {
    unsent.slow = true
    draw()
  }, 4000)
  try {
    const response = await tell('messages', { id, conversation, text, files: files.map((file) => file.id) })
    if (response.status === 400) return refuse(unsent, await response.json())
    if (!response.ok) throw new Error(String(response.status))
    settle(id)
  } finally {
    clearTimeout(slow)
    unsent.slow = false
  }
  if (conversation !== state.current || state.messages.has(id)) return
  // The stream brings it in a moment; until then it must not flicker.
  const content = { text, ...(files.length === 0 ? {} : { files }) }
  const seq = Number.MAX_SAFE_INTEGER
  state.messages.set(id, { ref: id, conversation, seq, version: -1, from: 'person', at: Date.now(), content })
}

/** Trying again cannot help: it goes back to where it can be changed. */
function refuse(unsent, { error }) {
  settle(unsent.id)
  toast(`Not sent: ${error}`)
  if (unsent.conversation === state.current && state.draft.text === '') {
    state.draft = { text: unsent.text, files: unsent.files }
    saveDraft()
  }
}

/** ductor has it. */
export function settle(id) {
  if (!state.unsent.some((one) => one.id === id)) return
  state.unsent = state.unsent.filter((one) => one.id !== id)
  keep(`unsent:${id}`, undefined)
}

export function stop() {
  if (isWorking()) say('/stop')
}

export async function press({ token, label }) {
  state.pressed.set(token, label)
  draw()
  try {
    const response = await tell('presses', { id: newId(), conversation: state.current, token })
    if (!response.ok) throw new Error(String(response.status))
  } catch {
    state.pressed.delete(token)
    toast('That did not get through. Try again when the line is back.')
  }
}

// ── files ───────────────────────────────────────────────────────────────────────────────────────────────────────

/** Takes files that were dropped, pasted or picked. */
export function attach(list) {
  for (const file of list) {
    const attached = {
      key: newId(),
      name: file.name === '' ? 'pasted' : file.name,
      mimeType: file.type === '' ? 'application/octet-stream' : file.type,
      size: file.size,
      file,
    }
    state.draft.files.push(attached)
    void upload(attached)
  }
  draw()
}

export async function upload(attached) {
  const { file, name, mimeType, size } = attached
  const { draft } = state
  attached.error = undefined
  const { maxFileBytes } = state.welcome
  try {
    if (maxFileBytes > 0 && size > maxFileBytes)
      throw new Refusal(`larger than ${Math.floor(maxFileBytes / 1024 / 1024)} MB`)
    const path = `files?name=${encodeURIComponent(name)}`
    const response = await call(path, { body: file, headers: { 'Content-Type': mimeType } })
    const answer = await response.json()
    if (!response.ok) throw new Refusal(answer.error)
    attached.id = answer.id
  } catch (error) {
    attached.error = error instanceof Refusal ? error.message : 'did not get through'
    // A line that was down comes back; what was refused stays refused.
    attached.retry = !(error instanceof Refusal)
  }
  if (draft === state.draft) {
    saveDraft()
    if (draft.waiting && draft.files.every(({ id }) => id !== undefined)) send()
  }
  draw()
}

class Refusal extends Error {}

/** The line is back. */
export function retryUploads() {
  for (const attached of state.draft.files) if (attached.error && attached.retry) void upload(attached)
}

export function detach(key) {
  const attached = state.draft.files.find((one) => one.key === key)
  state.draft.files = state.draft.files.filter((one) => one.key !== key)
  saveDraft()
  if (attached?.id !== undefined)
    void call(`files/${attached.id}`, { method: 'DELETE' }).catch(() => {
      // ductor removes what waits for a message that never comes.
    })
  draw()
}

addEventListener('beforeunload', (event) => {
  const uploading = state.draft.files.some(({ id }) => id === undefined)
  if (uploading || state.unsent.some(({ keptHere }) => keptHere === false)) event.preventDefault()
})
