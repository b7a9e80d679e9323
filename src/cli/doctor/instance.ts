import { z } from 'zod'
import type { Finding } from '../../core/define.ts'
import { ask } from '../control.ts'

const answer = z.object({
  transports: z.array(z.object({ name: z.string(), state: z.string(), detail: z.string().nullable() })),
  store: z.object({ trouble: z.string().nullable() }),
  outbox: z.object({ failed: z.number() }),
})

/** Is a ductor at work on this home folder, and what does it say of itself? */
export async function instance(home: string): Promise<Finding[]> {
  const asked = await ask(home, 'status')
  if (asked.state === 'stopped') return [{ level: 'ok', what: 'ductor is not running here' }]
  const pid = asked.note === undefined ? '' : ` (pid ${asked.note.pid})`
  if (asked.state === 'silent') {
    const mend = 'nothing that it has taken is lost: end it (kill -9) and start it anew'
    return [{ level: 'problem', what: `ductor runs${pid} but does not answer: ${asked.why}`, mend }]
  }
  const { transports, store, outbox } = answer.parse(asked.answer)
  return [
    { level: 'ok', what: `ductor is running${pid}` },
    ...transports
      .filter(({ state }) => state === 'failed')
      .map(({ name, detail }): Finding => ({
        level: 'problem',
        what: `${name} failed${detail === null ? '' : `: ${detail}`}`,
        mend: 'what is said of it below tells more; the log (“ductor logs”) tells when it began',
      })),
    ...(store.trouble === null
      ? []
      : [
          {
            level: 'problem',
            what: store.trouble,
            mend: 'free some space, or mend the disk: nothing is lost meanwhile',
          } as const,
        ]),
    ...(outbox.failed === 0 ? [] : [undelivered(outbox.failed)]),
  ]
}

function undelivered(count: number): Finding {
  const what = count === 1 ? 'a message could not be delivered' : `${count} messages could not be delivered`
  return { level: 'warning', what, mend: '“ductor trace ID” tells why, by the id of what they answered' }
}
