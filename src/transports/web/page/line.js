// The line to ductor: calls, and the stream of what happens.
import { state } from './state.js'

/** `body` undefined: asks; else tells. */
export function call(path, { method, body, headers = {} } = {}) {
  return fetch(`/api/${path}`, {
    method: method ?? (body === undefined ? 'GET' : 'POST'),
    headers: { Authorization: `Bearer ${state.token}`, ...headers },
    ...(body === undefined ? {} : { body }),
  })
}

export function tell(path, value) {
  return call(path, { body: JSON.stringify(value), headers: { 'Content-Type': 'application/json' } })
}

export async function ask(path) {
  const response = await call(path)
  if (!response.ok) throw new Error(String(response.status))
  return response.json()
}

/** Hears until the token is refused; comes back by itself whenever the line breaks. */
export async function listen({ meet, lost }) {
  for (let pause = 500; ; pause = Math.min(pause * 2, 8000)) {
    try {
      const response = await call('stream')
      if (response.status === 401) return lost('refused')
      for await (const { event, data } of events(response.body)) {
        pause = 500
        await meet(event, data)
      }
    } catch {
      // The line is down: the loop tries again, and the page says so.
    }
    lost('reconnecting')
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
    for (const block of blocks) yield eventOf(block.split('\n'))
  }
}

function eventOf(lines) {
  const field = (name) =>
    lines
      .filter((line) => line.startsWith(`${name}: `) || line === `${name}:`)
      .map((line) => line.slice(name.length + 2))
      .join('\n')
  const data = field('data')
  return { event: field('event'), data: data === '' ? undefined : JSON.parse(data) }
}
