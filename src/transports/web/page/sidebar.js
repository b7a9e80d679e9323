import { begin, open, remove, rename } from './conversations.js'
import { html, Icon } from './html.js'
import { draw, drawNow, state } from './state.js'

export function Sidebar() {
  return html`<nav aria-label="Conversations" inert=${isPhone() && !state.drawer}>
    <div class="brand">
      <b>ductor</b>
      <button class="icon" aria-label="Light or dark" title="Light or dark" onClick=${turnLight}>
        <${Icon} name="light" />
      </button>
    </div>
    <button class="new" onClick=${begin} title="Ctrl+K"><${Icon} name="plus" />New conversation</button>
    <ul onKeyDown=${arrows}>
      ${state.conversations.map((one) => html`<${Entry} key=${one.id} conversation=${one} />`)}
    </ul>
  </nav>`
}

function Entry({ conversation: { id, title } }) {
  const { editing } = state
  if (editing?.id === id && editing.how === 'rename') return html`<${Naming} id=${id} title=${title} />`
  if (editing?.id === id) return html`<${Removing} id=${id} title=${title} />`
  const here = id === state.current
  const news = state.unread.has(id) && !here
  return html`<li class=${here ? 'here' : ''}>
    <button class="title" aria-current=${here ? 'true' : undefined} onClick=${() => open(id)}>
      <span>${title}</span>${news && html`<i class="news"><em>new</em></i>`}
    </button>
    <button
      class="icon edit"
      aria-label=${`Rename ${title}`}
      title="Rename"
      onClick=${() => edit(id, 'rename')}
    >
      <${Icon} name="pencil" />
    </button>
    <button
      class="icon edit"
      aria-label=${`Remove ${title}`}
      title="Remove"
      onClick=${() => edit(id, 'remove')}
    >
      <${Icon} name="trash" />
    </button>
  </li>`
}

function edit(id, how) {
  state.editing = how && { id, how }
  drawNow()
  const field = document.querySelector('nav .editing :is(input, button)')
  field?.focus()
  if (field instanceof HTMLInputElement) field.select()
}

function Naming({ id, title }) {
  const keyed = (event) => {
    if (event.key === 'Enter') void rename(id, event.currentTarget.value)
    else if (event.key === 'Escape') edit()
    else return
    event.preventDefault()
    event.stopPropagation()
  }
  return html`<li class="editing">
    <input
      aria-label="Name of the conversation"
      value=${title}
      maxlength="200"
      onKeyDown=${keyed}
      onBlur=${(event) => state.editing?.id === id && rename(id, event.currentTarget.value)}
    />
  </li>`
}

function Removing({ id, title }) {
  return html`<li class="editing" role="group" aria-label=${`Remove ${title}?`}>
    <button class="danger" onClick=${() => remove(id)}>Remove</button>
    <button onClick=${() => edit()}>Keep</button>
  </li>`
}

function arrows(event) {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key]
  if (!step || event.target instanceof HTMLInputElement) return
  event.preventDefault()
  const buttons = [...event.currentTarget.querySelectorAll('.title')]
  const from = buttons.indexOf(event.target.closest('li')?.querySelector('.title'))
  buttons[from + step]?.focus()
}

export function isPhone() {
  return matchMedia('(max-width: 720px)').matches
}

export function toggleDrawer() {
  state.drawer = !state.drawer
  drawNow()
  document.querySelector(state.drawer ? 'nav .new' : '.drawer-button')?.focus()
}

function turnLight() {
  const dark = getComputedStyle(document.documentElement).colorScheme.trim() === 'dark'
  localStorage.setItem('light', dark ? 'light' : 'dark')
  applyLight()
}

export function applyLight() {
  const chosen =
    localStorage.getItem('light') ?? (matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light')
  document.documentElement.dataset.light = chosen
}

matchMedia('(max-width: 720px)').addEventListener('change', draw)
