// Where the person writes.
import { html, Icon, sizeOf, StopIcon } from './html.js'
import { draw, drawNow, isWorking, state } from './state.js'
import { attach, detach, saveDraft, send, stop, upload } from './talk.js'

export function Composer() {
  const { text, files, waiting } = state.draft
  const empty = text.trim() === '' && files.length === 0
  return html`<form class="composer" onSubmit=${submit}>
    <${Hints} />
    <div class="box">
      ${
        files.length > 0 &&
        html`<ul class="attached" aria-label="Files">
          ${files.map((file) => html`<${Attached} key=${file.key} attached=${file} />`)}
        </ul>`
      }
      <textarea
        aria-label="Message"
        placeholder="Message"
        rows="1"
        value=${text}
        onInput=${typed}
        onKeyDown=${keyed}
        onPaste=${pasted}
      ></textarea>
      <div class="tools">
        <label
          class="icon"
          title="Add files"
          tabindex="0"
          role="button"
          aria-label="Add files"
          onKeyDown=${pickByKey}
        >
          <${Icon} name="attach" /><input type="file" multiple tabindex="-1" onChange=${picked} />
        </label>
        <small role="status">${waiting && 'sends when the files are there…'}</small>
        ${
          isWorking() && empty
            ? html`<button
                type="button"
                class="round stop"
                onClick=${stop}
                aria-label="Stop"
                title="Stop (Escape)"
              >
                <${StopIcon} />
              </button>`
            : html`<button
                type="submit"
                class="round send"
                aria-label="Send"
                title="Send"
                aria-disabled=${empty}
              >
                <${Icon} name="send" />
              </button>`
        }
      </div>
    </div>
  </form>`
}

function Attached({ attached }) {
  const { key, id, name, size, error } = attached
  const how = error ?? (id === undefined ? 'on its way…' : sizeOf(size))
  return html`<li class=${error ? 'failed' : ''}>
    <${Icon} name="file" /><span>${name}</span><small role="status">${how}</small>
    ${
      error &&
      attached.file &&
      html`<button
        type="button"
        class="icon"
        aria-label=${`Try ${name} again`}
        onClick=${() => again(attached)}
      >
        <${Icon} name="again" />
      </button>`
    }
    <button type="button" class="icon" aria-label=${`Remove ${name}`} onClick=${() => detach(key)}>
      <${Icon} name="cross" />
    </button>
  </li>`
}

function again(attached) {
  attached.error = undefined
  void upload(attached)
  draw()
}

function Hints() {
  const { text } = state.draft
  const { commands } = state.welcome
  const hints = /^\/\w*$/.test(text) ? commands.filter(({ name }) => name.startsWith(text.slice(1))) : []
  if (hints.length === 0) return undefined
  return html`<ul class="hints" aria-label="Commands" onKeyDown=${hintKeys}>
    ${hints.map(
      ({ name, summary }) =>
        html`<li key=${name}>
          <button type="button" onClick=${() => take(name)}><b>/${name}</b><span>${summary}</span></button>
        </li>`,
    )}
  </ul>`
}

function hintKeys(event) {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key]
  if (!step) return
  event.preventDefault()
  const buttons = [...event.currentTarget.querySelectorAll('button')]
  const next = buttons[buttons.indexOf(document.activeElement) + step]
  ;(next ?? document.querySelector('textarea'))?.focus()
}

/** It stands in the box: many take a word or two more. */
function take(command) {
  state.draft.text = `/${command} `
  saveDraft()
  drawNow()
  document.querySelector('textarea')?.focus()
}

function typed(event) {
  state.draft.text = event.currentTarget.value
  saveDraft()
  // At once: the next key may be for what is offered now.
  drawNow()
}

function keyed(event) {
  if (event.key === 'ArrowUp') {
    const hints = document.querySelectorAll('.hints button')
    if (hints.length === 0) return
    event.preventDefault()
    hints[hints.length - 1].focus()
  }
  // On a screen keyboard Enter is the only way to break a line, and the button is near.
  if (event.key !== 'Enter' || event.shiftKey || event.isComposing || matchMedia('(pointer: coarse)').matches)
    return
  event.preventDefault()
  send()
}

function submit(event) {
  event.preventDefault()
  send()
}

function pasted(event) {
  const { files } = event.clipboardData
  if (files.length === 0) return
  event.preventDefault()
  attach(files)
}

function picked(event) {
  attach(event.currentTarget.files)
  event.currentTarget.value = ''
}

function pickByKey(event) {
  if (event.key !== 'Enter' && event.key !== ' ') return
  event.preventDefault()
  event.currentTarget.querySelector('input').click()
}
