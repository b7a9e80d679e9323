import { chmodSync, existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { environmentPath } from '../../config/environment.ts'
import { configPath } from '../../config/file.ts'
import type { Finding } from '../../core/define.ts'
import { quote } from '../../lib/shell-quote.ts'

interface Open {
  readonly path: string
  readonly mode: '600' | '700'
  readonly finding: Finding
}

/** Who else on this machine can look into the home folder. Windows has no such bits. */
export function rights(home: string, fix: boolean): Finding[] {
  if (process.platform === 'win32' || !existsSync(home)) return []
  const open = [...openFolder(home), ...openSecrets(home)]
  if (open.length === 0) return [{ level: 'ok', what: `only you can look into ${home}` }]
  if (!fix) return open.map(({ finding }) => finding)
  return open.map(({ path, mode, finding }): Finding => {
    try {
      chmodSync(path, mode)
      return { level: 'ok', what: `mended: ${finding.what}` }
    } catch {
      // It belongs to somebody else: then the finding stands.
      return finding
    }
  })
}

function openFolder(home: string): Open[] {
  if (isPrivate(home)) return []
  const what = `others on this machine can look into ${home}: messages are kept there`
  return [{ path: home, mode: '700', finding: { level: 'warning', what, mend: mendOf('700', home) } }]
}

function openSecrets(home: string): Open[] {
  return [configPath(home), environmentPath(home), ...credentialsIn(home)]
    .filter((path) => existsSync(path) && !isPrivate(path))
    .map((path): Open => {
      const what = `others on this machine can read the secrets in ${path}`
      // Nobody gets past a folder that is closed; a copy of the file, or of the folder, is another matter.
      const level = isPrivate(home) ? 'warning' : 'problem'
      return { path, mode: '600', finding: { level, what, mend: mendOf('600', path) } }
    })
}

function mendOf(mode: string, path: string): string {
  return `chmod ${mode} ${quote(path)}, or “ductor doctor --fix”`
}

function isPrivate(path: string): boolean {
  return (statSync(path).mode & 0o077) === 0
}

function credentialsIn(home: string): string[] {
  return readdirSync(home, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && entry.name !== 'workspace' && entry.name !== 'extras')
    .flatMap(({ name }) => readdirSync(join(home, name)).map((file) => join(home, name, file)))
    .filter((path) => path.endsWith('credentials.json'))
}
