import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, rm, rmdir, stat, writeFile } from 'node:fs/promises'
import { delimiter, dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'

const version = '2.1.330'
const cache = join(import.meta.dirname, '../../.cache')
const folder = join(cache, `claude-${version}`)
const lock = join(cache, `claude-${version}.lock`)
const installMs = 300_000
const run = promisify(execFile)

/** The real Claude Code. */
export const claudeBinary = join(folder, 'node_modules/@anthropic-ai/claude-code/bin/claude.exe')

/**
 * Why the tests that need the real Claude Code cannot run here; undefined where they can. Where they must run (CI), it
 * throws instead. The first call installs it into `.cache`.
 */
export async function whyNoClaude(): Promise<string | undefined> {
  try {
    await install()
    return undefined
  } catch (error) {
    if (process.env['CI'] !== undefined) throw error
    return `no Claude Code here: ${error instanceof Error ? error.message : String(error)}`
  }
}

/** The whole environment of a Claude that talks to `modelUrl`; nothing of this machine's own. `home` is a fresh folder. */
export function claudeEnv(home: string, modelUrl: string): Record<string, string> {
  return {
    HOME: home,
    TMPDIR: home,
    PATH: process.env['PATH'] ?? '/usr/bin:/bin',
    LANG: 'C.UTF-8',
    ANTHROPIC_API_KEY: 'sk-test-dummy',
    ANTHROPIC_BASE_URL: modelUrl,
    CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
    CLAUDE_CODE_MAX_RETRIES: '1',
  }
}

async function install(): Promise<void> {
  if (existsSync(join(folder, 'complete'))) return
  await mkdir(cache, { recursive: true })
  await locked(async () => {
    if (existsSync(join(folder, 'complete'))) return
    await rm(folder, { recursive: true, force: true })
    await mkdir(folder)
    await writeFile(join(folder, 'package.json'), '{"private":true}')
    // An older Node would be given an older Claude, without a word: ours comes first.
    const path = [dirname(process.execPath), process.env['PATH'] ?? ''].join(delimiter)
    const what = ['install', '-E', '--no-audit', '--no-fund', `@anthropic-ai/claude-code@${version}`]
    await run('npm', what, { cwd: folder, env: { ...process.env, PATH: path }, timeout: installMs })
    const said = await run(claudeBinary, ['--version'], { env: claudeEnv(folder, 'http://127.0.0.1:9') })
    if (!said.stdout.includes(version)) throw new Error(`npm installed ${said.stdout.trim()}, not ${version}`)
    await writeFile(join(folder, 'complete'), '')
  })
}

async function locked(act: () => Promise<void>): Promise<void> {
  while (!(await taken())) await sleep(200)
  try {
    await act()
  } finally {
    await rmdir(lock)
  }
}

async function taken(): Promise<boolean> {
  try {
    await mkdir(lock)
    return true
  } catch {
    // Somebody is at it; or was, and died: then the lock is older than any installation takes.
    const since = await stat(lock).catch(() => undefined)
    if (since !== undefined && Date.now() - since.mtimeMs > installMs)
      await rm(lock, { recursive: true, force: true })
    return false
  }
}
