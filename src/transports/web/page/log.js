// What was said: the messages of the open conversation.
import { loadEarlier } from './conversations.js'
import { File } from './files.js'
import { html, Icon } from './html.js'
import { draw, state } from './state.js'
import { press, say } from './talk.js'

export function Log() {
  const messages = [...state.messages.values()].toSorted((a, b) => a.seq - b.seq)
  const unsent = state.unsent.filter(({ conversation }) => conversation === state.current)
  const empty = messages.length + unsent.length === 0
  const working = messages.some(({ content }) => content.state === 'working')
  return html`<div class="log" onScroll=${scrolled}>
    ${empty && html`<${Welcome} />`}
    <ol role="log" aria-label="Messages" aria-relevant="additions">
      ${messages.flatMap((message, index) => [
        isNewDay(message, messages[index - 1]) &&
          html`<li key=${`day ${message.ref}`} class="day"><span>${dayOf(message.at)}</span></li>`,
        html`<${Message} key=${message.ref} message=${message} />`,
      ])}
      ${unsent.map((one) => html`<${Unsent} key=${one.id} unsent=${one} />`)}
      ${
        state.typing.has(state.current) &&
        !working &&
        html`<li key="typing" class="bot typing" aria-label="The agent is at work"><i></i><i></i><i></i></li>`
      }
    </ol>
    ${
      !state.atBottom &&
      html`<button class="latest" onClick=${toBottom}><${Icon} name="down" />latest</button>`
    }
  </div>`
}

function Welcome() {
  if (state.line !== 'connected') return undefined
  return html`<section class="welcome">
    <h2>What shall the agent do?</h2>
    <p>It works on this machine, in a folder of its own, and answers here.</p>
    <dl>
      <div>
        <dt>Write</dt>
        <dd>
          a message below<span>; <kbd>Shift</kbd> <kbd>Enter</kbd> breaks the line</span>
        </dd>
      </div>
      <div>
        <dt>Give it files</dt>
        <dd>drop them anywhere, paste them, or pick them</dd>
      </div>
      <div>
        <dt>Type <kbd>/</kbd></dt>
        <dd>for what ductor itself can do</dd>
      </div>
    </dl>
    <button onClick=${() => say('Hello')}>Say hello</button>
  </section>`
}

function isNewDay({ at }, before) {
  return before !== undefined && new Date(before.at).toDateString() !== new Date(at).toDateString()
}

function dayOf(at) {
  return new Date(at).toLocaleDateString(undefined, { weekday: 'long', day: 'numeric', month: 'long' })
}

function timeOf(at) {
  return new Date(at).toLocaleTimeString(undefined, { hour: '2-digit', minute: '2-digit' })
}

function Message({ message: { from, at, content } }) {
  if (from === 'person') {
    const { text, files = [] } = content
    return html`<li class="person">
      <span class="hidden">You:</span>
      ${files.map((file) => html`<${File} key=${file.id} file=${file} />`)}
      ${text !== '' && html`<div class=${/^\/\w+/.test(text) ? 'bubble command' : 'bubble'}>${text}</div>`}
      <time datetime=${new Date(at).toISOString()}>${timeOf(at)}</time>
    </li>`
  }
  if (content.kind === 'file') return html`<li class="bot ended"><${File} file=${content.file} /></li>`
  const card = content.choices.length > 0 ? 'card' : ''
  return html`<li class=${`bot ${content.state} ${card}`} aria-busy=${content.state === 'working'}>
    <span class="hidden">The agent:</span>
    ${content.parts.map((part) => html`<${Part} part=${part} />`)}
    ${card && html`<${Choices} choices=${content.choices} />`}
  </li>`
}

function Choices({ choices }) {
  const pressed = choices.find(({ token }) => state.pressed.has(token))
  return html`<div class="choices" role="group" aria-label="Choices">
    ${choices.map(
      ({ token, label, style }) =>
        html`<button
          key=${token}
          class=${`${style ?? ''} ${pressed?.token === token ? 'pressed' : ''}`}
          aria-disabled=${pressed !== undefined}
          onClick=${() => pressed === undefined && press({ token, label })}
        >
          ${label}
        </button>`,
    )}
  </div>`
}

function Unsent({ unsent: { text, files, slow } }) {
  return html`<li class="person unsent">
    ${files.map((file) => html`<${File} key=${file.id} file=${file} />`)}
    ${text !== '' && html`<div class="bubble">${text}</div>`}
    <small role="status">
      ${
        slow
          ? 'ductor has not stored it yet (is its disk full?); it is kept here and sent by itself'
          : state.line === 'connected'
            ? 'sending…'
            : 'not sent yet; it is kept here and sent by itself'
      }
    </small>
  </li>`
}

const marks = { in_progress: '', completed: '✓', failed: '✗' }
const spoken = { in_progress: 'running', completed: 'done', failed: 'failed', pending: 'to do' }

function Part({ part }) {
  switch (part.kind) {
    case 'html':
      // Made and sanitised by the server; the policy of this page allows no script in it either.
      return html`<div class="prose" dangerouslySetInnerHTML=${{ __html: part.html }}></div>`
    case 'tool':
      return html`<div class=${`tool ${part.status}`}>
        <span role="img" aria-label=${spoken[part.status]}>${marks[part.status]}</span
        ><code>${part.title}</code>
      </div>`
    case 'thinking':
      return html`<div class="thinking">${part.text.trim() === '' ? 'thinking…' : part.text}</div>`
    case 'code':
      return html`<${Code} text=${part.text} language=${part.language} />`
    case 'plan':
      return html`<ul class="plan" aria-label="Plan">
        ${part.entries.map(
          ({ text, status }) =>
            html`<li class=${status}>
              <span role="img" aria-label=${spoken[status]}>${status === 'completed' && '✓'}</span>${text}
            </li>`,
        )}
      </ul>`
    case 'footer':
      return html`<div class="footer">${part.text}</div>`
    default:
      return html`<div class="notice">${part.text}</div>`
  }
}

function Code({ text, language }) {
  const lines = language === 'diff' ? text.split('\n').map(diffLine) : text
  return html`<pre class="code" data-language=${language}><code>${lines}</code></pre>`
}

function diffLine(line) {
  const kind = { '+': 'added', '-': 'taken', '@': 'place' }[line[0]]
  return html`<span class=${kind ?? ''}>${line}${'\n'}</span>`
}

let lastTop = 0
function scrolled(event) {
  const log = event.currentTarget
  const { scrollHeight, scrollTop, clientHeight } = log
  if (scrollTop < 200 && state.more) void keepingPlace(log, loadEarlier)
  const near = scrollHeight - scrollTop - clientHeight < 60
  // Only who goes up leaves the end; that something grew below is no wish to stay.
  const atBottom = near || (state.atBottom && scrollTop >= lastTop)
  lastTop = scrollTop
  if (atBottom === state.atBottom) return
  state.atBottom = atBottom
  draw()
}

/** Whatever grows or shrinks (a picture that came, the box for writing): who looked at the end still does. */
const watch = new ResizeObserver(() => {
  const log = document.querySelector('.log')
  if (log && state.atBottom) log.scrollTop = log.scrollHeight
})

export function watchLog() {
  for (const element of document.querySelectorAll('.log, .log > ol')) watch.observe(element)
}

/** What is looked at stays where it is while something comes above it. */
async function keepingPlace(log, load) {
  const fromBottom = log.scrollHeight - log.scrollTop
  const came = await load().catch(() => false)
  if (!came) return
  draw()
  requestAnimationFrame(() => requestAnimationFrame(() => (log.scrollTop = log.scrollHeight - fromBottom)))
}

function toBottom() {
  state.atBottom = true
  draw()
}
