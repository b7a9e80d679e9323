// Preact with templates that the browser reads as they are, and the drawings on the buttons.
import { h } from '/lib/preact.js'
import htm from '/lib/htm.js'

export const html = htm.bind(h)

const paths = {
  menu: 'M3 6h18M3 12h18M3 18h18',
  plus: 'M12 5v14M5 12h14',
  send: 'M12 19V5M5.5 11.5 12 5l6.5 6.5',
  attach: 'm20 11-8.2 8.2a5 5 0 0 1-7-7L13 4a3.3 3.3 0 0 1 4.7 4.7l-8.2 8.1a1.7 1.7 0 0 1-2.4-2.4L14.6 7',
  pencil: 'M4 20h4L19.5 8.5a2.1 2.1 0 0 0-3-3L5 17v3M14.5 7.5l3 3',
  trash: 'M4 7h16M9 7V4h6v3M6 7l1 13h10l1-13M10 11v5M14 11v5',
  cross: 'M6 6l12 12M18 6 6 18',
  again: 'M20 12a8 8 0 1 1-2.5-5.8M20 3v4h-4',
  file: 'M6 3h8l5 5v13H6zM14 3v5h5',
  save: 'M12 4v11M7 11l5 5 5-5M5 20h14',
  copy: 'M9 9h11v11H9zM5 15H4V4h11v1',
  check: 'm5 12.5 4.5 4.5L19 7.5',
  down: 'M12 5v14M6 13l6 6 6-6',
  light: 'M12 3a9 9 0 1 0 0 18zM12 3a9 9 0 0 1 0 18M15.5 4v16M19 7v10',
}

export function Icon({ name }) {
  return html`<svg viewBox="0 0 24 24" aria-hidden="true"><path d=${paths[name]} /></svg>`
}

/** Stop: a full square. */
export function StopIcon() {
  return html`<svg viewBox="0 0 24 24" aria-hidden="true" class="full">
    <rect x="5" y="5" width="14" height="14" rx="3" />
  </svg>`
}

export function sizeOf(bytes) {
  if (bytes < 1024) return `${bytes} B`
  if (bytes < 1024 * 1024) return `${Math.round(bytes / 1024)} KB`
  return `${(bytes / 1024 / 1024).toFixed(1)} MB`
}
