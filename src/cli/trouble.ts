import { quote } from '../lib/shell-quote.ts'

const denied: readonly unknown[] = ['EACCES', 'EPERM', 'EROFS']
const full: readonly unknown[] = ['ENOSPC', 'EDQUOT']
/** As SQLite counts what went wrong. */
const sqlite = { readOnly: 8, full: 13, cannotOpen: 14 } as const

/** What the machine does not allow, with what to do; undefined: it is a fault of ours. */
export function troubleInWords(error: unknown, home: string): string | undefined {
  if (!(error instanceof Error)) return undefined
  const code = 'code' in error ? error.code : undefined
  // Beside the code itself SQLite's number tells where it happened.
  const number = 'errcode' in error ? Number(error.errcode) % 256 : undefined
  if (full.includes(code) || number === sqlite.full) {
    return `The disk of ${home} is full: free some space and try again. Nothing that was taken is lost.`
  }
  if (code === 'ENOTDIR' || (code === 'EEXIST' && 'syscall' in error && error.syscall === 'mkdir')) {
    const path = 'path' in error && typeof error.path === 'string' ? error.path : home
    return `A file stands where a folder is needed: ${path}. Move it away, or name another folder with DUCTOR_HOME.`
  }
  if (denied.includes(code) || number === sqlite.readOnly || number === sqlite.cannotOpen) {
    const path = 'path' in error && typeof error.path === 'string' ? error.path : home
    return `You may not use ${path} (${error.message}). ${howToOwn(home)}`
  }
  return undefined
}

/** What helps who may not use the home folder. */
export function howToOwn(home: string): string {
  const own =
    process.platform === 'win32' ? 'give yourself the right' : `sudo chown -R "$(id -u)" ${quote(home)}`
  return `Was ductor run by somebody else, or by root? To have ${home} for yourself: ${own}. Or name another folder with DUCTOR_HOME.`
}
