// The chat page: plain JavaScript, as the browser reads it.
import { render } from '/lib/preact.js'
import { Composer } from './composer.js'
import { begin, meet, openFirst, titleOfCurrent } from './conversations.js'
import { html, Icon } from './html.js'
import { listen } from './line.js'
import { Log, watchLog } from './log.js'
import { applyLight, Sidebar, toggleDrawer } from './sidebar.js'
import { draw, drawWith, isWorking, state } from './state.js'
import { attach, resend, retryUploads, stop } from './talk.js'

const lines = {
  connecting: 'connecting…',
  connected: 'connected',
  reconnecting: 'reconnecting… what you write is kept',
  refused: 'this address is not valid any more: open the one that ductor printed',
}

function App() {
  if (!state.token) return html`<${Lost} />`
  return html`<div class=${state.drawer ? 'house drawer-open' : 'house'}>
    <${Sidebar} />
    <main inert=${state.drawer}>
      <header>
        <button
          class="icon drawer-button"
          aria-label="Conversations"
          aria-expanded=${state.drawer}
          onClick=${toggleDrawer}
        >
          <${Icon} name="menu" />${state.unread.size > 0 && html`<i class="news"><em>new</em></i>`}
        </button>
        <h1>${titleOfCurrent()}</h1>
        <span class=${`line ${state.line}`} role="status"><i></i>${lines[state.line]}</span>
      </header>
      <${Log} />
      <${Composer} />
      <div class="toast" role="status">${state.toast}</div>
    </main>
    <div class="veil" onClick=${toggleDrawer}></div>
    ${state.dropping && html`<div class="drop">Drop files to add them to your message</div>`}
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

function paint() {
  const chose = document.activeElement?.closest?.('.choices')
  render(html`<${App} />`, document.getElementById('app'))
  const area = document.querySelector('textarea')
  if (area) {
    area.style.height = 'auto'
    area.style.height = `${Math.min(area.scrollHeight, 240)}px`
  }
  // The button that was pressed is gone: the keyboard is not left nowhere.
  if (chose && document.activeElement === document.body) area?.focus()
  for (const block of document.querySelectorAll('.bot pre:not([data-dressed])')) dress(block)
  for (const link of document.querySelectorAll('.prose a:not([target])')) {
    link.target = '_blank'
    link.rel = 'noopener noreferrer'
  }
  const log = document.querySelector('.log')
  if (log && state.atBottom) log.scrollTop = log.scrollHeight
  watchLog()
  document.title = `${state.unread.size > 0 ? `(${state.unread.size}) ` : ''}${isWorking() ? '… ' : ''}${titleOfCurrent()} · ductor`
}

/** A block of code gets its language and a button that copies it. */
function dress(block) {
  block.dataset.dressed = ''
  const code = block.querySelector('code')
  code.tabIndex = 0
  const language = block.dataset.language || /language-([\w+#-]+)/.exec(code.className)?.[1]
  if (language) block.dataset.language = language
  const button = document.createElement('button')
  button.className = 'copy'
  button.textContent = 'Copy'
  button.addEventListener('click', () => {
    void navigator.clipboard.writeText(code.textContent).then(() => {
      button.textContent = 'Copied'
      setTimeout(() => (button.textContent = 'Copy'), 2000)
      return undefined
    })
  })
  block.append(button)
}

addEventListener('keydown', (event) => {
  if (event.key === 'Escape') {
    if (state.drawer) toggleDrawer()
    else stop()
  }
  if (event.key.toLowerCase() === 'k' && (event.ctrlKey || event.metaKey)) {
    event.preventDefault()
    void begin()
  }
})
addEventListener('hashchange', () => location.reload())

const carriesFiles = (event) => event.dataTransfer?.types.includes('Files')
addEventListener('dragover', (event) => {
  if (!carriesFiles(event)) return
  event.preventDefault()
  if (!state.dropping) {
    state.dropping = true
    draw()
  }
})
addEventListener('dragleave', (event) => {
  if (event.relatedTarget !== null) return
  state.dropping = false
  draw()
})
addEventListener('drop', (event) => {
  if (!carriesFiles(event)) return
  event.preventDefault()
  state.dropping = false
  attach(event.dataTransfer.files)
})

drawWith(paint)
applyLight()
openFirst()
draw()
requestAnimationFrame(() => {
  if (!matchMedia('(pointer: coarse)').matches) document.querySelector('textarea')?.focus()
})
if (state.token)
  void listen({
    async meet(event, data) {
      await meet(event, data)
      if (event !== 'open') return
      void resend()
      retryUploads()
    },
    lost(line) {
      state.line = line
      state.typing.clear()
      draw()
    },
  })
