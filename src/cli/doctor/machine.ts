import { existsSync, statfsSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Finding } from '../../core/define.ts'
import { openForReading, storeFile } from '../../store/open.ts'

const scarceBytes = 500_000_000
/** With less than that the next start may not even open its files. */
const fullBytes = 10_000_000

export function node(): Finding {
  // The launcher lets no older version come this far.
  return { level: 'ok', what: `Node ${process.versions.node}` }
}

export function disk(home: string): Finding {
  const { bavail, bsize } = statfsSync(nearestFolder(home))
  const free = bavail * bsize
  const what = `${Math.round(free / 1_000_000)} MB are free on the disk of ${home}`
  if (free > scarceBytes) return { level: 'ok', what }
  const level = free > fullBytes ? 'warning' : 'problem'
  return { level, what, mend: 'free some space: nothing can be taken while the disk is full' }
}

/** The home folder itself may be still to make. */
function nearestFolder(path: string): string {
  return existsSync(path) || dirname(path) === path ? path : nearestFolder(dirname(path))
}

export function store(home: string): Finding {
  const path = join(home, storeFile)
  const size = statSync(path, { throwIfNoEntry: false })?.size
  if (size === undefined) return { level: 'ok', what: 'there is no store yet: the first start makes it' }
  try {
    using db = openForReading(path)
    const verdict = db.prepare('pragma quick_check(1)').get()?.['quick_check']
    if (verdict !== 'ok') throw new Error(String(verdict))
    db.prepare('select count(*) from inbox').get()
    return { level: 'ok', what: `the store opens and is whole (${Math.ceil(size / 1000)} kB)` }
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    const mend = `keep ${path} (it may be mended) and move it away to begin with an empty one`
    return { level: 'problem', what: `the store does not open: ${why}`, mend }
  }
}
