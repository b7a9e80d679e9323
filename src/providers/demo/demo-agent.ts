// The demo agent: a program of its own, so that everything around an agent is real but the thinking.
import { randomUUID } from 'node:crypto'
import { appendFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { request, type Reply } from './protocol.ts'

const folder = process.argv[2] ?? '.'
const journal = process.env['DUCTOR_DEMO_JOURNAL']

let cancelled = new AbortController()
const waiting = new Map<string, (allow: boolean) => void>()

function say(line: Reply): void {
  process.stdout.write(`${JSON.stringify(line)}\n`)
}

/** A line for each prompt that was begun, answered its first word, and was finished: for whoever counts or times them. */
function note(event: string, text: string): void {
  if (journal !== undefined)
    appendFileSync(
      journal,
      `${JSON.stringify({ event, text, at: performance.timeOrigin + performance.now() })}\n`,
    )
}

/** How many messages the session has had, this one included. */
function countMessage(session: string): number {
  mkdirSync(folder, { recursive: true })
  const path = join(folder, `${session.replace(/[^\w-]/g, '')}.txt`)
  let before = 0
  try {
    before = Number(readFileSync(path, 'utf8')) || 0
  } catch {
    // A session without a file has had no message yet.
  }
  writeFileSync(path, String(before + 1))
  return before + 1
}

const introduction = `I am the **demo agent** that comes with ductor. I am not an AI: I only show what a real agent looks like here.

To talk to a real one, install Claude Code (\`npm install -g @anthropic-ai/claude-code\`), sign in with \`claude\`, and start ductor again.

Try: \`markdown\`, \`tool\`, \`permission\`, \`slow 20\`, \`long 3\`, \`crash\`.`

const showcase = `# A heading

A list:

- **bold**, *italic*, ~~struck~~ and \`code\`
- [a link](https://example.com/)

| fruit | price |
| --- | ---: |
| apple | 1.20 |
| pear | 0.90 |

\`\`\`ts
const answer = 42
\`\`\`

> A quotation.`

let blocks = 0
let prompt = ''
let spoke = false

async function speak(text: string, pauseMs = 0): Promise<void> {
  if (!spoke) note('spoke', prompt)
  spoke = true
  blocks += 1
  const block = String(blocks)
  for (const delta of text.match(/\S+\s*|\s+/g) ?? [text]) {
    if (cancelled.signal.aborted) return
    say({ type: 'text', delta, block })
    if (pauseMs > 0) await sleep(pauseMs, undefined, { signal: cancelled.signal }).catch(() => {})
  }
}

async function useTool(title: string, pauseMs: number): Promise<void> {
  const id = randomUUID()
  say({ type: 'tool', id, title, status: 'in_progress' })
  await sleep(pauseMs, undefined, { signal: cancelled.signal }).catch(() => {})
  say({ type: 'tool', id, title, status: cancelled.signal.aborted ? 'failed' : 'completed' })
}

async function askLeave(detail: string): Promise<void> {
  const id = randomUUID()
  const decision = Promise.withResolvers<boolean>()
  waiting.set(id, decision.resolve)
  cancelled.signal.addEventListener('abort', () => decision.resolve(false))
  say({ type: 'permission', id, title: 'Run a command', detail })
  const allow = await decision.promise
  waiting.delete(id)
  await speak(allow ? `You allowed \`${detail}\`. (Nothing was run: this is a demo.)` : 'Then not.')
}

/** One step of a script: `say: …`, `tool: …`, `wait: ms`, `ask: …`; or a word that shows something. */
async function perform(step: string, count: number): Promise<void> {
  const [, word = '', rest = ''] = /^(\w+):?\s*([\s\S]*)$/.exec(step) ?? []
  const number = Number(rest) || undefined
  switch (word.toLowerCase()) {
    case 'say':
      return speak(rest)
    case 'tool':
      return useTool(rest === '' ? 'ls' : rest, 0)
    case 'wait':
      await sleep(number ?? 1000, undefined, { signal: cancelled.signal }).catch(() => {})
      return
    case 'history':
      return speak(`prompts: ${count}`)
    case 'think':
      say({ type: 'thinking' })
      return
    case 'permission':
    case 'ask':
      return askLeave(rest === '' ? 'rm -rf ./build' : rest)
    case 'slow':
      return speak(Array.from({ length: number ?? 20 }, (_, index) => `${index + 1} `).join(''), 200)
    case 'long':
      return speak('All work and no play makes a long answer. '.repeat((number ?? 1) * 100))
    case 'markdown':
      return speak(showcase)
    case 'crash':
      process.stderr.write('the demo agent was asked to crash\n')
      process.exit(3)
    // oxlint-disable-next-line no-fallthrough
    default:
      return speak(count === 1 ? introduction : `You said: ${step}\n\n(Message ${count} of this session.)`)
  }
}

async function answer(text: string, session: string | undefined): Promise<void> {
  cancelled = new AbortController()
  prompt = text
  spoke = false
  note('begun', text)
  const name = session ?? randomUUID()
  say({ type: 'session', session: name })
  const count = countMessage(name)
  for (const step of text.split(/\s+\|\s+/)) {
    if (!cancelled.signal.aborted) await perform(step.trim(), count)
  }
  note('finished', text)
  say({ type: 'end', stop: cancelled.signal.aborted ? 'cancelled' : 'end_turn' })
}

// Our own lines hold no U+2028 unescaped by mistake: the sender escapes it, so readline frames them truly.
const lines = createInterface({ input: process.stdin, crlfDelay: Number.POSITIVE_INFINITY })
lines.on('line', (line) => {
  const message = request.parse(JSON.parse(line))
  switch (message.type) {
    case 'prompt':
      void answer(message.text, message.session)
      return
    case 'answer':
      waiting.get(message.request)?.(message.allow)
      return
    case 'cancel':
      cancelled.abort()
  }
})
// Whoever started us is gone.
lines.on('close', () => process.exit(0))
