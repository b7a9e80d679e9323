// The chat page: plain JavaScript, as the browser reads it. All state is in one object; `draw` shows it.
import { h, render } from '/lib/preact.js'
import htm from '/lib/htm.js'

const html = htm.bind(h)
const commands = [
  ['/new', 'begin a new conversation with the agent'],
  ['/stop', 'end the running turn'],
  ['/status', 'what runs, what waits'],
  ['/help', 'list the commands'],
]

const state = {
  token: readToken(),
  /** connecting, connected, reconnecting, refused */
  line: 'connecting',
  conversations: [],
  current: newId(),
  /** ref → message, of the current conversation */
  messages: new Map(),
  /** What was written and is not known to be taken yet. */
  unsent: [],
  typing: new Set(),
  drawer: false,
  atBottom: true,
  draft: '',
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

function newId() {
  return crypto.randomUUID()
}

function call(path, body) {
  return fetch(`/api/${path}`, {
    method: body === undefined ? 'GET' : 'POST',
    headers: {
      Authorization: `Bearer ${state.token}`,
      ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
}

// ── hearing ─────────────────────────────────────────────────────────────────────────────────────────────────────

async function listen() {
  for (let pause = 500; ; pause = Math.min(pause * 2, 8000)) {
    try {
      const response = await call('stream')
      if (response.status === 401) {
        state.line = 'refused'
        draw()
        return
      }
      for await (const { event, data } of events(response.body)) {
        pause = 500
        await meet(event, data)
      }
    } catch {
      // The line is down: the loop tries again, and the page says so.
    }
    state.line = 'reconnecting'
    state.typing.clear()
    draw()
    await new Promise((resolve) => setTimeout(resolve, pause))
  }
}

async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader()
  let rest = ''
  for (;;) {
    const { value, done } = await reader.read()
    if (done) return
    const blocks = (rest + value).split('\n\n')
    rest = blocks.pop()
    for (const block of blocks) {
      const field = (name) =>
        block
          .split('\n')
          .filter((line) => line.startsWith(`${name}: `) || line === `${name}:`)
          .map((line) => line.slice(name.length + 2))
          .join('\n')
      yield { event: field('event'), data: field('data') === '' ? null : JSON.parse(field('data')) }
    }
  }
}

async function meet(event, data) {
  if (event === 'open') {
    state.line = 'connected'
    state.conversations = await (await call('conversations')).json()
    await openConversation(remembered())
    void resend()
  }
  if (event === 'message') put(data)
  if (event === 'removed') state.messages.delete(data.ref)
  if (event === 'conversations') state.conversations = data
  if (event === 'typing') state.typing[data.on ? 'add' : 'delete'](data.conversation)
  draw()
}

function put(message) {
  state.unsent = state.unsent.filter(({ id }) => id !== message.ref)
  if (message.conversation !== state.current) return
  const known = state.messages.get(message.ref)
  if (known && known.version > message.version) return
  state.messages.set(message.ref, message)
}

function remembered() {
  const last = sessionStorage.getItem('conversation')
  if (last && state.conversations.some(({ id }) => id === last)) return last
  return state.messages.size > 0 || state.unsent.length > 0
    ? state.current
    : (state.conversations[0]?.id ?? state.current)
}

async function openConversation(id) {
  state.current = id
  state.drawer = false
  state.atBottom = true
  sessionStorage.setItem('conversation', id)
  state.messages = new Map()
  const messages = await (await call(`conversations/${id}`)).json()
  for (const message of messages) put(message)
  draw()
}

// ── saying ──────────────────────────────────────────────────────────────────────────────────────────────────────

function say(text) {
  if (text.trim() === '') return
  state.unsent.push({ id: newId(), conversation: state.current, text, at: Date.now() })
  state.atBottom = true
  draw()
  void resend()
}

let sending = false
/** In the order of writing; what could not be sent waits for the line to come back. */
async function resend() {
  if (sending) return
  sending = true
  try {
    for (const { id, conversation, text } of state.unsent.slice()) {
      const response = await call('messages', { id, conversation, text })
      if (!response.ok) throw new Error(String(response.status))
      state.unsent = state.unsent
        .map((one) => (one.id === id ? { ...one, taken: true } : one))
        .filter((one) => !one.taken)
      if (conversation === state.current && !state.messages.has(id)) {
        put({
          ref: id,
          conversation,
          seq: Number.MAX_SAFE_INTEGER,
          version: -1,
          from: 'person',
          at: Date.now(),
          content: { text },
        })
      }
    }
  } catch {
    setTimeout(resend, 2000)
  } finally {
    sending = false
    draw()
    if (state.line === 'connected' && state.unsent.length > 0) setTimeout(resend, 2000)
  }
}

function begin() {
  state.current = newId()
  state.messages = new Map()
  state.drawer = false
  draw()
  document.querySelector('textarea')?.focus()
}

function stop() {
  if (isWorking()) say('/stop')
}

function isWorking() {
  return (
    [...state.messages.values()].some(({ content }) => content.state === 'working') ||
    state.typing.has(state.current)
  )
}

// ── showing ─────────────────────────────────────────────────────────────────────────────────────────────────────

const lines = {
  connecting: 'connecting…',
  connected: 'connected',
  reconnecting: 'reconnecting… what you write is sent when the line is back',
  refused: 'this address is not valid any more: open the one that ductor printed',
}

function App() {
  if (!state.token) return html`<${Lost} />`
  return html`<div class=${state.drawer ? 'house drawer-open' : 'house'}>
    <${Sidebar} />
    <main>
      <header>
        <button class="icon drawer-button" aria-label="Conversations" onClick=${toggleDrawer}>☰</button>
        <h1>${titleOfCurrent()}</h1>
        <span class=${`line ${state.line}`} role="status"><i></i>${lines[state.line]}</span>
      </header>
      <${Log} />
      <${Composer} />
    </main>
    <div class="veil" onClick=${toggleDrawer}></div>
  </div>`
}

function Lost() {
  return html`<section class="lost">
    <h1>ductor</h1>
    <p>
      This page opens with the whole address that ductor printed in the terminal. It ends in
      <code>#token=…</code>.
    </p>
  </section>`
}

function titleOfCurrent() {
  return state.conversations.find(({ id }) => id === state.current)?.title ?? 'New conversation'
}

function toggleDrawer() {
  state.drawer = !state.drawer
  draw()
}

function Sidebar() {
  return html`<nav aria-label="Conversations">
    <div class="brand">
      <b>ductor</b
      ><button class="icon" aria-label="Light or dark" title="Light or dark" onClick=${turnLight}>◐</button>
    </div>
    <button class="new" onClick=${begin}>New conversation</button>
    <ul onKeyDown=${arrows}>
      ${state.conversations.map(
        ({ id, title }) =>
          html`<li key=${id}>
            <button
              aria-current=${id === state.current ? 'true' : undefined}
              onClick=${() => openConversation(id)}
            >
              ${title}
            </button>
          </li>`,
      )}
    </ul>
  </nav>`
}

function arrows(event) {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key]
  if (!step) return
  event.preventDefault()
  const buttons = [...event.currentTarget.querySelectorAll('button')]
  buttons[buttons.indexOf(document.activeElement) + step]?.focus()
}

function turnLight() {
  const dark = getComputedStyle(document.documentElement).colorScheme.trim() === 'dark'
  localStorage.setItem('light', dark ? 'light' : 'dark')
  applyLight()
}

function applyLight() {
  const chosen =
    localStorage.getItem('light') ?? (matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light')
  document.documentElement.dataset.light = chosen
}

function Log() {
  const messages = [...state.messages.values()].toSorted((a, b) => a.seq - b.seq)
  const unsent = state.unsent.filter(({ conversation }) => conversation === state.current)
  const empty = messages.length + unsent.length === 0
  return html`<div class="log" onScroll=${scrolled} tabindex="-1">
    <ol aria-live="polite" aria-relevant="additions text">
      ${empty && html`<li class="welcome"><p>Write something. The agent works on this machine and answers here.</p></li>`}
      ${messages.map((message) => html`<${Message} key=${message.ref} message=${message} />`)}
      ${unsent.map(
        ({ id, text }) =>
          html`<li key=${id} class="person unsent">
            <div class="bubble">${text}</div>
            <small>not sent yet</small>
          </li>`,
      )}
      ${state.typing.has(state.current) && !messages.some(({ content }) => content.state === 'working') && html`<li class="bot typing" aria-label="The agent is at work"><i></i><i></i><i></i></li>`}
    </ol>
    ${!state.atBottom && html`<button class="latest" onClick=${toBottom}>↓ latest</button>`}
  </div>`
}

function Message({ message: { from, content } }) {
  if (from === 'person') return html`<li class="person"><div class="bubble">${content.text}</div></li>`
  return html`<li class=${`bot ${content.state}`}>
    ${content.parts.map((part) => html`<${Part} part=${part} />`)}
    ${
      content.choices.length > 0 &&
      html`<div class="choices">
        ${content.choices.map(({ token, label, style }) => html`<button key=${token} class=${style ?? ''} onClick=${() => press(token)}>${label}</button>`)}
      </div>`
    }
  </li>`
}

async function press(token) {
  const id = newId()
  await call('presses', { id, conversation: state.current, token }).catch(() => {})
}

const marks = { in_progress: '…', completed: '✓', failed: '✗' }

function Part({ part }) {
  switch (part.kind) {
    case 'html':
      // Made and sanitised by the server; the policy of this page allows no script in it either.
      return html`<div class="prose" dangerouslySetInnerHTML=${{ __html: part.html }}></div>`
    case 'tool':
      return html`<div class=${`tool ${part.status}`}><span>${marks[part.status]}</span> ${part.title}</div>`
    case 'thinking':
      return html`<div class="thinking">thinking…</div>`
    case 'code':
      return html`<pre><code>${part.text}</code></pre>`
    default:
      return html`<div class="notice">${part.text}</div>`
  }
}

function Composer() {
  const hints = /^\/\w*$/.test(state.draft) ? commands.filter(([name]) => name.startsWith(state.draft)) : []
  return html`<form class="composer" onSubmit=${submit}>
    ${
      hints.length > 0 &&
      html`<ul class="hints">
        ${hints.map(
          ([name, summary]) =>
            html`<li key=${name}>
              <button type="button" onClick=${() => take(name)}><b>${name}</b> ${summary}</button>
            </li>`,
        )}
      </ul>`
    }
    <textarea
      aria-label="Message"
      placeholder="Message"
      rows="1"
      value=${state.draft}
      onInput=${typed}
      onKeyDown=${keyed}
    ></textarea>
    ${
      isWorking()
        ? html`<button type="button" class="stop" onClick=${stop} aria-label="Stop">■</button>`
        : html`<button type="submit" class="send" aria-label="Send">↑</button>`
    }
  </form>`
}

function typed(event) {
  state.draft = event.currentTarget.value
  draw()
}

function take(command) {
  state.draft = ''
  say(command)
}

function keyed(event) {
  if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return
  event.preventDefault()
  submit(event)
}

function submit(event) {
  event.preventDefault()
  const text = state.draft
  state.draft = ''
  say(text)
}

function scrolled(event) {
  const { scrollHeight, scrollTop, clientHeight } = event.currentTarget
  const atBottom = scrollHeight - scrollTop - clientHeight < 60
  if (atBottom === state.atBottom) return
  state.atBottom = atBottom
  draw()
}

function toBottom() {
  state.atBottom = true
  draw()
}

let drawing = false
/** Once a frame, however much has changed. */
function draw() {
  if (drawing) return
  drawing = true
  requestAnimationFrame(() => {
    drawing = false
    render(html`<${App} />`, document.getElementById('app'))
    afterDrawing()
  })
}

function afterDrawing() {
  const area = document.querySelector('textarea')
  if (area) {
    area.style.height = 'auto'
    area.style.height = `${Math.min(area.scrollHeight, 240)}px`
  }
  for (const block of document.querySelectorAll('.bot pre:not(:has(+ .copy))')) block.after(copyButton(block))
  const log = document.querySelector('.log')
  if (log && state.atBottom) log.scrollTop = log.scrollHeight
}

function copyButton(block) {
  const button = document.createElement('button')
  button.className = 'copy'
  button.textContent = 'Copy'
  button.addEventListener('click', () => {
    void navigator.clipboard.writeText(block.textContent).then(() => {
      button.textContent = 'Copied'
      return undefined
    })
  })
  return button
}

addEventListener('keydown', (event) => {
  if (event.key === 'Escape') {
    if (state.drawer) toggleDrawer()
    else stop()
  }
  if (event.key.toLowerCase() === 'k' && (event.ctrlKey || event.metaKey)) {
    event.preventDefault()
    begin()
  }
})
addEventListener('hashchange', () => location.reload())

applyLight()
draw()
if (state.token) void listen()
