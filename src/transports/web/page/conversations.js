// The conversations: which one is open, and the list of them.
import { keep, keysUnder } from './kept.js'
import { ask, call, tell } from './line.js'
import { resend, loadDraft, saveDraft, settle } from './talk.js'
import { draw, isWorking, markRead, markUnread, newId, state, toast } from './state.js'

/** What the stream tells. */
export async function meet(event, data) {
  switch (event) {
    case 'open':
      state.line = 'connected'
      state.welcome = data
      state.conversations = await ask('conversations')
      if (!state.chosen && state.conversations.length > 0) await open(state.conversations[0].id)
      else await load(state.current)
      break
    case 'message':
      hear(data)
      break
    case 'removed':
      state.messages.delete(data.ref)
      break
    case 'conversations':
      state.conversations = data
      break
    case 'typing':
      state.typing[data.on ? 'add' : 'delete'](data.conversation)
      break
    case 'pressed':
      hearAnswer(data)
      break
    default:
  }
  draw()
}

function hear(message) {
  settle(message.ref)
  // It is as the press has left it: what it offers now can be pressed.
  for (const { token } of message.content.choices ?? []) state.pressed.delete(token)
  const here = message.conversation === state.current
  const seen = here && document.visibilityState === 'visible'
  if (message.from === 'bot' && !seen && message.content.state !== 'working') markUnread(message.conversation)
  if (here) put(message)
}

/** A press was answered. That it was heard is seen anyway; only what is not on the button is said. */
function hearAnswer({ conversation, token, text }) {
  const label = state.pressed.get(token)
  state.pressed.delete(token)
  if (conversation === state.current && label !== undefined && !['', label].includes(text)) toast(text)
}

function put(message) {
  const known = state.messages.get(message.ref)
  if (known && known.version > message.version) return
  state.messages.set(message.ref, message)
}

/** The last page of a conversation, as ductor has it. */
async function load(id) {
  const { messages, more } = await ask(`conversations/${id}`)
  if (id !== state.current) return
  state.messages = new Map()
  state.pressed.clear()
  state.more = more
  for (const message of messages) {
    settle(message.ref)
    put(message)
  }
}

let loading = false
/** The page before the first message. Resolves with whether there was one. */
export async function loadEarlier() {
  if (!state.more || loading) return false
  loading = true
  try {
    const first = Math.min(...[...state.messages.values()].map(({ seq }) => seq))
    const { current } = state
    const { messages, more } = await ask(`conversations/${current}?before=${first}`)
    if (current !== state.current) return false
    for (const message of messages) put(message)
    state.more = more
    return true
  } finally {
    loading = false
  }
}

/** Opens the conversation; `undefined` opens a new one. */
export async function open(id = freshId()) {
  saveDraft()
  state.chosen = true
  state.current = id
  state.messages = new Map()
  state.more = false
  state.drawer = false
  state.editing = undefined
  state.atBottom = true
  sessionStorage.setItem('conversation', id)
  markRead(id)
  loadDraft()
  draw()
  if (state.conversations.some((one) => one.id === id))
    await load(id).catch(() => toast('The line is down: this conversation comes when it is back.'))
  draw()
}

export async function begin() {
  await open()
  document.querySelector('textarea')?.focus()
}

/** That of a draft whose conversation was never begun, or a new one. */
function freshId() {
  const drafts = keysUnder('draft:').map((key) => key.slice('draft:'.length))
  return drafts.find((id) => !state.conversations.some((one) => one.id === id)) ?? newId()
}

/** When the page comes: the conversation that this tab had open, or that of a draft; else the last one. */
export function openFirst() {
  const drafts = keysUnder('draft:')
  const id = sessionStorage.getItem('conversation') ?? drafts[0]?.slice('draft:'.length)
  state.chosen = id !== undefined
  state.current = id ?? newId()
  loadDraft()
  void resend()
}

export async function rename(id, title) {
  state.editing = undefined
  draw()
  if (title.trim() === '') return
  await tell(`conversations/${id}`, { title }).catch(() => toast('The line is down: try again later.'))
}

export async function remove(id) {
  if (id === state.current && isWorking()) return toast('Stop the running turn first.')
  state.editing = undefined
  try {
    const response = await call(`conversations/${id}`, { method: 'DELETE' })
    if (!response.ok) throw new Error(String(response.status))
    keep(`draft:${id}`, undefined)
    markRead(id)
    if (id === state.current) await open(state.conversations.find((one) => one.id !== id)?.id)
  } catch {
    toast('The line is down: try again later.')
  }
  draw()
}

export function titleOfCurrent() {
  return state.conversations.find(({ id }) => id === state.current)?.title ?? 'New conversation'
}

document.addEventListener('visibilitychange', () => {
  if (document.visibilityState === 'visible') markRead(state.current)
  draw()
})
