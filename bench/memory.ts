import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

/** What a process holds, as Linux counts it. */
export function memoryOf(pid = 0): string {
  const sizes = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8')
  const mb = (name: string) =>
    Math.round(Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(sizes)?.[1]) / 1024)
  return `${mb('Rss')} MB, ${mb('Pss')} MB with shared pages in proportion, ${mb('Private_Dirty')} MB its own`
}

const watchedMs = 20_000
/** Milliseconds, as Linux counts the time of processes. */
const tickMs = 10

/** What part of one processor a process takes, watched for 20 seconds. */
export async function loadOf(pid = 0): Promise<string> {
  const before = ticks(pid)
  await sleep(watchedMs)
  return `${(((ticks(pid) - before) * tickMs * 100) / watchedMs).toFixed(2)} % of one processor`
}

function ticks(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  // Behind the name in parentheses: the time in the program is the twelfth, that in the kernel the one after it.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return Number(fields[11]) + Number(fields[12])
}
