import { readFileSync } from 'node:fs'

/** What a process holds, as Linux counts it. */
export function memoryOf(pid = 0): string {
  const sizes = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8')
  const mb = (name: string) =>
    Math.round(Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(sizes)?.[1]) / 1024)
  return `${mb('Rss')} MB, ${mb('Pss')} MB with shared pages in proportion, ${mb('Private_Dirty')} MB its own`
}
