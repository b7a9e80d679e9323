// All that the page knows, in one object, and when it is shown: once a frame, however much has changed.
import { keep, kept, keptUnder } from './kept.js'

export const state = {
  token: readToken(),
  /** connecting, connected, reconnecting, refused */
  line: 'connecting',
  /** What ductor said when the page came. */
  welcome: { maxFileBytes: 0, /** @type {{ name: string, summary: string }[]} */ commands: [] },
  conversations: [],
  current: '',
  /** It was opened by the person, not by the page. */
  chosen: false,
  /** ref → message, of the current conversation */
  messages: new Map(),
  /** There are earlier messages than these. */
  more: false,
  /** What was written and is not known to be taken yet; kept over reloads. */
  unsent: keptUnder('unsent:').toSorted((a, b) => a.at - b.at),
  /** Conversations in which the agent is at work. */
  typing: new Set(),
  /** Conversations with something that was not seen yet. */
  unread: new Set(kept('unread') ?? []),
  /** Choices that were pressed here and not answered yet: token → its label. */
  pressed: new Map(),
  draft: { text: '', files: [] },
  /** A word for a few seconds. */
  toast: '',
  drawer: false,
  dropping: false,
  /** The conversation that is being renamed or removed. */
  editing: undefined,
  atBottom: true,
}

function readToken() {
  const given = new URLSearchParams(location.hash.slice(1)).get('token')
  if (given) {
    sessionStorage.setItem('token', given)
    // Nobody who looks at the address bar, and no history, needs it.
    history.replaceState(null, '', location.pathname)
  }
  return sessionStorage.getItem('token')
}

export function newId() {
  return crypto.randomUUID()
}

let show = () => {}
let drawing = false

/** What draws the page. */
export function drawWith(paint) {
  show = paint
}

export function draw() {
  if (drawing) return
  drawing = true
  requestAnimationFrame(() => {
    drawing = false
    show()
  })
}

/** For what needs the new elements at once, to give one of them the keyboard. */
export function drawNow() {
  show()
}

let toasting
export function toast(text) {
  state.toast = text
  clearTimeout(toasting)
  toasting = setTimeout(() => {
    state.toast = ''
    draw()
  }, 5000)
  draw()
}

export function isWorking() {
  return (
    [...state.messages.values()].some(({ content }) => content.state === 'working') ||
    state.typing.has(state.current)
  )
}

export function markUnread(conversation) {
  state.unread.add(conversation)
  keep('unread', [...state.unread])
}

export function markRead(conversation) {
  if (state.unread.delete(conversation)) keep('unread', [...state.unread])
}
