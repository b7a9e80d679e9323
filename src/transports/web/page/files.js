// Files within messages: a preview of what cannot do harm, and saving. Fetched with the token, shown from memory.
import { html, Icon, sizeOf } from './html.js'
import { call } from './line.js'
import { draw, state, toast } from './state.js'

const previewedBytes = 12 * 1024 * 1024
/** id → address of the fetched file, or `undefined` while it is on its way; of the current conversation. */
const previews = new Map()
let previewedIn

export function File({ file }) {
  const kind = /^(image|audio|video)\/(?!svg)/.exec(file.mimeType)?.[1]
  const url = kind && file.size <= previewedBytes ? previewOf(file) : undefined
  return html`<div class="file">
    ${url && kind === 'image' && html`<img src=${url} alt=${file.name} onLoad=${draw} onError=${() => giveUp(file)} />`}
    ${url && kind === 'audio' && html`<audio controls src=${url} aria-label=${file.name}></audio>`}
    ${url && kind === 'video' && html`<video controls src=${url} aria-label=${file.name}></video>`}
    <button
      class="save"
      onClick=${() => save(file)}
      title="Save"
      aria-label=${`Save ${file.name}, ${sizeOf(file.size)}`}
    >
      <${Icon} name="file" /><span>${file.name}</span><small>${sizeOf(file.size)}</small
      ><${Icon} name="save" />
    </button>
  </div>`
}

function previewOf({ id, mimeType }) {
  if (previewedIn !== state.current) forgetPreviews()
  if (!previews.has(id)) {
    previews.set(id, undefined)
    void fetchBlob(id).then((blob) => {
      // The server names what is harmless; it gives all else as bytes.
      if (blob?.type === mimeType) previews.set(id, URL.createObjectURL(blob))
      draw()
      return undefined
    })
  }
  return previews.get(id)
}

/** It is not what its name says. */
function giveUp({ id }) {
  previews.set(id, undefined)
  draw()
}

function forgetPreviews() {
  for (const url of previews.values()) if (url) URL.revokeObjectURL(url)
  previews.clear()
  previewedIn = state.current
}

async function fetchBlob(id) {
  try {
    const response = await call(`files/${id}`)
    if (response.ok) return await response.blob()
    if (response.status === 404) toast('That file is not there any more.')
  } catch {
    // The line is down; the file is still there as something to save.
  }
  return undefined
}

async function save({ id, name }) {
  const blob = await fetchBlob(id)
  if (!blob) return
  const link = document.createElement('a')
  link.href = URL.createObjectURL(new Blob([blob], { type: 'application/octet-stream' }))
  link.download = name
  link.click()
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000)
}
