import { z } from 'zod'
import { isLocked } from '../lib/lock.ts'
import { ask, lockPath, readNote } from './control.ts'
import { homeFolder } from './home.ts'
import type { Call } from './main.ts'

const status = z.looseObject({
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
  warnings: z.array(z.string()),
})

/** Exit 0: it runs. 3: it does not. 1: it runs and does not answer. */
export default async function show({ json }: Call): Promise<number> {
  const home = homeFolder(process.env)
  const note = readNote(home)
  if (note === undefined || !isLocked(lockPath(home))) {
    process.stdout.write(json ? `${JSON.stringify(stopped)}\n` : 'ductor is not running.\n')
    return 3
  }
  let answer: unknown
  try {
    answer = await ask(note, 'status')
  } catch (error) {
    process.stderr.write(
      `ductor runs (pid ${note.pid}) but does not answer: ${error instanceof Error ? error.message : String(error)}\n`,
    )
    return 1
  }
  process.stdout.write(json ? `${JSON.stringify(answer)}\n` : readable(status.parse(answer)))
  return 0
}

const stopped = {
  running: false,
  pid: null,
  version: null,
  uptime_s: 0,
  transports: [],
  agents: [],
  turns: { running: 0, queued: 0 },
  outbox: { pending: 0, failed: 0 },
}

function readable({
  pid,
  version,
  uptime_s,
  transports,
  agents,
  turns,
  outbox,
  warnings,
}: z.infer<typeof status>): string {
  const lines = [
    `ductor ${version} runs (pid ${pid}, for ${uptime_s} s).`,
    ...transports.map(
      ({ name, account, state, detail }) =>
        `  ${name} ${account ?? ''}: ${state}${detail === null ? '' : ` – ${detail}`}`,
    ),
    ...agents.map(({ name, provider }) => `  agent ${name}: ${provider}`),
    `  turns: ${turns.running} running, ${turns.queued} waiting`,
    `  outbox: ${outbox.pending} pending, ${outbox.failed} failed`,
    ...warnings.map((warning) => `  warning: ${warning}`),
  ]
  return `${lines.join('\n')}\n`
}
