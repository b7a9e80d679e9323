import { z } from 'zod'
import { loadConfig } from '../config/load.ts'
import { span } from '../lib/span.ts'
import { ask } from './control.ts'
import { homeFolder } from './home.ts'
import { adapters, complaint, howToBegin } from './load.ts'
import type { Call } from './main.ts'
import { howToStart } from './service-up.ts'
import { version } from './version.ts'

const status = z.object({
  pid: z.number(),
  version: z.string(),
  uptime_s: z.number(),
  transports: z.array(
    z.object({
      name: z.string(),
      account: z.string().nullable(),
      state: z.string(),
      last_event_at: z.string().nullable(),
      detail: z.string().nullable(),
    }),
  ),
  agents: z.array(z.object({ name: z.string(), provider: z.string() })),
  turns: z.object({ running: z.number(), queued: z.number() }),
  outbox: z.object({ pending: z.number(), failed: z.number() }),
  store: z.object({ trouble: z.string().nullable() }),
  warnings: z.array(z.string()),
})

/** What a ductor that cannot be asked looks like to a script: the same keys, and nothing in them. */
const nothing = {
  version: version(),
  uptime_s: 0,
  transports: [],
  agents: [],
  turns: { running: 0, queued: 0 },
  outbox: { pending: 0, failed: 0 },
}

/** Exit 0: it runs. 3: it does not. 1: it runs and does not answer. */
export default async function show(call: Call): Promise<number> {
  const json = call.has('json')
  const home = homeFolder(process.env)
  const asked = await ask(home, 'status')
  switch (asked.state) {
    case 'stopped':
      print(json ? JSON.stringify({ running: false, pid: null, ...nothing }) : await whatNow(home))
      return 3
    case 'silent': {
      const pid = asked.note?.pid ?? null
      const what = `ductor runs${pid === null ? '' : ` (pid ${pid})`} but does not answer: ${asked.why}.`
      if (json) print(JSON.stringify({ running: true, pid, ...nothing, trouble: what }))
      process.stderr.write(`${what}\n`)
      return 1
    }
    case 'running':
      print(json ? JSON.stringify(asked.answer) : readable(status.parse(asked.answer)))
      return 0
  }
}

/** Why it does not run, as far as that can be seen, and how to start it. */
async function whatNow(home: string): Promise<string> {
  const loaded = await loadConfig(home, adapters)
  switch (loaded.state) {
    case 'missing':
      return `ductor is not running. ${howToBegin(loaded.path)}`
    case 'wrong':
      return `ductor is not running, and cannot start: ${complaint(loaded)}`
    case 'good':
      return `ductor is not running. ${await howToStart(home)}`
  }
}

function readable(facts: z.infer<typeof status>): string {
  const { transports, agents, turns, outbox, store, warnings } = facts
  const width = Math.max(0, ...transports.map(({ name, account }) => whoIs(name, account).length))
  return [
    `ductor ${facts.version} is running (pid ${facts.pid}, for ${span(facts.uptime_s * 1000)})`,
    ...transports.map(
      ({ name, account, state, detail, last_event_at: heard }) =>
        `  ${whoIs(name, account).padEnd(width)}  ${state}${detail === null ? '' : ` – ${detail}`}${lastHeard(heard)}`,
    ),
    ...agents.map(({ name, provider }) => `  agent ${name} on ${provider}`),
    `  turns: ${turns.running} running, ${turns.queued} waiting`,
    `  outbox: ${outbox.pending} pending, ${outbox.failed} failed`,
    ...(store.trouble === null ? [] : [`  problem: ${store.trouble}`]),
    ...warnings.map((warning) => `  warning: ${warning}`),
  ].join('\n')
}

function whoIs(name: string, account: string | null): string {
  return account === null ? name : `${name} ${account}`
}

function lastHeard(at: string | null): string {
  return at === null ? '' : `, last heard from ${span(Date.now() - Date.parse(at))} ago`
}

function print(text: string): void {
  process.stdout.write(`${text}\n`)
}
