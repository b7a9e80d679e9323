import { z } from 'zod'
import { readTrace } from '../app.ts'
import { isLocked } from '../lib/lock.ts'
import { ask, lockPath, readNote } from './control.ts'
import { homeFolder } from './home.ts'
import type { Call } from './main.ts'

const lines = z.array(z.object({ at: z.number(), event: z.string(), detail: z.string().optional() }))

export default async function trace({ words, json }: Call): Promise<number> {
  const [id] = words
  if (id === undefined) {
    process.stderr.write(
      'ductor: trace needs the id of a message, such as 57, tg:12345/57 or $event:example.org\n',
    )
    return 2
  }
  const home = homeFolder(process.env)
  const note = isLocked(lockPath(home)) ? readNote(home) : undefined
  const life =
    note === undefined
      ? readTrace(home, id)
      : lines.parse(await ask(note, `trace?id=${encodeURIComponent(id)}`))
  if (life.length === 0) {
    process.stderr.write(`Nothing is known of a message ${id}.\n`)
    return 1
  }
  for (const line of life)
    process.stdout.write(
      json
        ? `${JSON.stringify(line)}\n`
        : `${new Date(line.at).toISOString()}  ${line.event}${line.detail === undefined ? '' : `: ${line.detail}`}\n`,
    )
  return 0
}
