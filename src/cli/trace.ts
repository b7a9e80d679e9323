import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { readTrace } from '../app.ts'
import type { TraceLine } from '../core/store.ts'
import { storeFile } from '../store/open.ts'
import { ask } from './control.ts'
import { homeFolder } from './home.ts'
import type { Call } from './main.ts'

const lines = z.array(z.object({ at: z.number(), event: z.string(), detail: z.string().optional() }))

/** Exit 0: the life of the message was shown. 1: nobody knows such a message. */
export default async function trace({ words: [id], has }: Call): Promise<number> {
  if (id === undefined) {
    process.stderr.write(
      'ductor: “trace” needs the id of a message, such as 57, tg:12345/57 or $event:example.org\n',
    )
    return 2
  }
  const life = await lifeOf(homeFolder(process.env), id)
  if (has('json')) process.stdout.write(`${JSON.stringify(life)}\n`)
  else process.stdout.write(life.map((line) => `${readable(line)}\n`).join(''))
  if (life.length > 0) return 0
  process.stderr.write(`Nothing is known of a message ${id}.\n`)
  return 1
}

/** From the running ductor; where none answers, from what is in the store. */
async function lifeOf(home: string, id: string): Promise<readonly TraceLine[]> {
  const asked = await ask(home, `trace?id=${encodeURIComponent(id)}`)
  if (asked.state === 'running') return lines.parse(asked.answer).map(told)
  return existsSync(join(home, storeFile)) ? readTrace(home, id) : []
}

function told({ at, event, detail }: z.infer<typeof lines>[number]): TraceLine {
  return detail === undefined ? { at, event } : { at, event, detail }
}

function readable({ at, event, detail }: TraceLine): string {
  return `${new Date(at).toISOString()}  ${event}${detail === undefined ? '' : `: ${detail}`}`
}
