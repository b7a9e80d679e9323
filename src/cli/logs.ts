import { closeSync, existsSync, openSync, readFileSync, readSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { UserError } from '../core/user-error.ts'
import { homeFolder } from './home.ts'
import type { Call } from './main.ts'
import { MisuseError } from './misuse.ts'

const usualLines = 50
const lookEveryMs = 300

/** The last lines of the log, for a person; with `--follow` also what comes. */
export default async function logs(call: Call): Promise<number> {
  const wanted = call.text('lines') ?? String(usualLines)
  if (!/^\d{1,6}$/.test(wanted)) throw new MisuseError(`“${wanted}” is no number of lines`)
  const path = join(homeFolder(process.env), 'logs', 'ductor.log')
  if (statSync(path, { throwIfNoEntry: false }) === undefined)
    throw new UserError(`There is no log yet: ${path}`)
  const { prettyFactory } = await import('pino-pretty')
  const readable = prettyFactory({
    translateTime: 'SYS:mm-dd HH:MM:ss',
    singleLine: true,
    colorize: process.stdout.isTTY,
  })
  const show = (text: string) => {
    for (const line of text.split('\n')) if (line !== '') process.stdout.write(readable(line))
  }
  const before = existsSync(`${path}.1`) ? readFileSync(`${path}.1`, 'utf8') : ''
  const now = readFileSync(path)
  const lines = `${before}${now.toString()}`.trimEnd().split('\n')
  show(lines.slice(Math.max(0, lines.length - Number(wanted))).join('\n'))
  if (call.has('follow')) await follow(path, now.length, show)
  return 0
}

/** Until somebody ends us. A file that is shorter than it was has begun anew. */
async function follow(path: string, from: number, show: (text: string) => void): Promise<void> {
  let rest = ''
  for (let at = from; ; await sleep(lookEveryMs)) {
    const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0
    if (size < at) at = 0
    if (size === at) continue
    const text = rest + readFrom(path, at, size - at)
    at = size
    const end = text.lastIndexOf('\n') + 1
    show(text.slice(0, end))
    rest = text.slice(end)
  }
}

function readFrom(path: string, at: number, length: number): string {
  const file = openSync(path, 'r')
  try {
    const bytes = Buffer.alloc(length)
    return bytes.subarray(0, readSync(file, bytes, 0, length, at)).toString()
  } finally {
    closeSync(file)
  }
}
