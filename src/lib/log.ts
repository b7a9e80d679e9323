import { pino, type Logger } from 'pino'
import { redactor } from './redact.ts'
import { RollingFile } from './rolling-file.ts'

const maxBytes = 5_000_000
const keep = 4

export interface LogOptions {
  /** Absolute path of the newest file; older ones stand beside it. */
  readonly path: string
  readonly level: string
  /** What to show on standard error: lines for a person, JSON for a program, or nothing. */
  readonly stderr: 'readable' | 'json' | 'nothing'
  /** Values that must never appear, besides those that look like secrets. */
  readonly secrets?: readonly string[]
}

/** JSON lines with `level`, `time` (ISO 8601), the facts and a constant `msg`. */
export async function openLog({ path, level, stderr, secrets = [] }: LogOptions): Promise<Logger> {
  const file = new RollingFile({ path, maxBytes, keep })
  const clean = redactor(secrets)
  const shown = await shownLines(stderr)
  return pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    {
      write(line: string) {
        const safe = clean(line)
        file.write(safe)
        shown?.write(safe)
      },
    },
  )
}

async function shownLines(stderr: LogOptions['stderr']) {
  if (stderr === 'nothing') return undefined
  if (stderr === 'json') return process.stderr
  // Loaded only where a person looks on.
  const { default: pretty } = await import('pino-pretty')
  return pretty({ destination: 2, sync: true, translateTime: 'SYS:HH:MM:ss', singleLine: true })
}
