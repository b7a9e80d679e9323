import { randomUUID } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { InMemoryStore } from '../../../tests/contracts/in-memory.ts'
import { silentLog } from '../../../tests/support/stage.ts'
import type { Turn, TurnEvent } from '../../core/provider.ts'
import { ClaudeProvider, type ProviderSettings } from './provider.ts'
import type { Patience } from './session.ts'

/**
 * What every hostile program begins with. A prompt `hello` is answered; what `trap` does, each test says. It speaks
 * as little as it may: no word of what becomes of its prompts. `once`: it was started for one prompt.
 */
const prelude = `
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createInterface } from 'node:readline'
const given = (name) => process.argv[process.argv.indexOf(name) + 1]
const once = !process.argv.includes('--input-format=stream-json')
const resumed = process.argv.includes('--resume') ? given('--resume') : undefined
const session = resumed ?? 'session-1'
const out = (message) => process.stdout.write((typeof message === 'string' ? message : JSON.stringify(message)) + '\\n')
const init = (id = session) => out({ type: 'system', subtype: 'init', session_id: id })
const stream = (event, more = {}) => out({ type: 'stream_event', event, ...more })
const start = (id) => stream({ type: 'message_start', message: { id } })
const text = (words) => stream({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: words } })
const tool = (id, name, input) =>
  out({ type: 'assistant', message: { id: 'msg-' + id, content: [{ type: 'tool_use', id, name, input }] } })
const result = (words, more = {}) =>
  out({ type: 'result', subtype: 'success', is_error: false, terminal_reason: 'completed', result: words, ...more })
const stay = () => setInterval(() => {}, 1e6)
let obeys = true
function prompt(words) {
  if (words === 'trap') return trap()
  init()
  result(once ? 'fine, once' : 'fine')
}
if (once) {
  let words = ''
  process.stdin.on('data', (chunk) => { words += chunk }).on('end', () => prompt(words))
} else
  createInterface({ input: process.stdin }).on('line', (line) => {
    const message = JSON.parse(line)
    if (message.type === 'user') return prompt(message.message.content[0].text)
    if (message.type !== 'control_request' || !obeys) return
    const { subtype } = message.request
    out({ type: 'control_response', response: { subtype: 'success', request_id: message.request_id, response: {} } })
    if (subtype === 'interrupt') result('', { terminal_reason: 'aborted_streaming' })
  })
`

/** A provider whose CLI is a small program that misbehaves. */
export interface HostileStage extends AsyncDisposable {
  readonly home: string
  readonly provider: ClaudeProvider
  /** The session of the last turn that had one. */
  session(): string | undefined
  /** Runs a prompt to its end; `see` meets each event as it comes. */
  run(
    prompt: string,
    more?: Partial<Turn>,
    see?: (event: TurnEvent, turn: Turn) => unknown,
    signal?: AbortSignal,
  ): Promise<readonly TurnEvent[]>
}

/** `trap`: the body of the program's function `trap`; `before`: what it does first of all. */
export async function hostile(
  trap: string,
  {
    before = '',
    settings = {},
    patience = {},
  }: { before?: string; settings?: Partial<ProviderSettings>; patience?: Partial<Patience> } = {},
): Promise<HostileStage> {
  const home = await mkdtemp(join(tmpdir(), 'ductor-hostile-'))
  const file = join(home, 'program.mjs')
  await writeFile(file, `${before}\n${prelude}\nfunction trap() { ${trap} }\n`)
  const provider = new ClaudeProvider(
    { command: [process.execPath, file], args: [], idleMs: 60_000, maxWarm: 8, ...settings },
    {
      home,
      log: silentLog,
      memory: new InMemoryStore(),
      env: { PATH: process.env['PATH'] ?? '', HOME: home },
    },
    { interruptMs: 150, killMs: 200, ...patience },
  )
  let session: string | undefined
  return {
    home,
    provider,
    session: () => session,
    async run(prompt, more = {}, see = () => {}, signal = new AbortController().signal) {
      const turn: Turn = {
        id: randomUUID(),
        place: { key: 'a', transport: 'test', chat: 'a' },
        strand: '',
        prompt,
        attachments: [],
        cwd: home,
        permissionMode: 'ask',
        ...more,
      }
      const events: TurnEvent[] = []
      for await (const event of provider.run(turn, signal)) {
        events.push(event)
        if (event.type === 'session.started') session = event.sessionId
        await see(event, turn)
      }
      return events
    },
    async [Symbol.asyncDispose]() {
      await provider.close()
      await rm(home, { recursive: true, force: true, maxRetries: 5 })
    },
  }
}
