import { cpSync, existsSync, mkdirSync, readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** Kept as they are for the parts that will read them. */
const definitions = ['cron_jobs.json', 'webhooks.json', 'SHAREDMEMORY.md', '.env']

/** Rules and scripts of the Python program itself: they would tell the agent of tools that are not there. */
const itsOwn = new Set(
  [
    'CLAUDE.md',
    'AGENTS.md',
    'GEMINI.md',
    'JOIN_NOTIFICATION.md',
    'tools/cron_tools',
    'tools/webhook_tools',
    'tools/agent_tools',
    'tools/task_tools',
    'tools/media_tools',
  ].map((name) => join('workspace', name)),
)

/** The files to copy, relative to the home. Never one that is there already. */
export function filesToCopy(from: string, home: string): readonly string[] {
  if (from === home) return []
  const workspace = existsSync(join(from, 'workspace')) ? below(from, 'workspace') : []
  return [...definitions.filter((name) => existsSync(join(from, name))), ...workspace].filter(
    (name) => !existsSync(join(home, name)),
  )
}

function below(root: string, folder: string): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name)
    if (itsOwn.has(path)) return []
    return entry.isDirectory() ? below(root, path) : [path]
  })
}

export function copyFiles(from: string, home: string, names: readonly string[]): void {
  for (const name of names) {
    mkdirSync(dirname(join(home, name)), { recursive: true, mode: 0o700 })
    cpSync(join(from, name), join(home, name), {
      verbatimSymlinks: true,
      preserveTimestamps: true,
      errorOnExist: true,
      force: false,
    })
  }
}
