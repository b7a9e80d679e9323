import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { delimiter, dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { holding } from './holding.ts'

const versions = { tdl: '8.1.0', 'prebuilt-tdlib': '0.1008065.0' }
const folder = join(import.meta.dirname, '../../.cache', `tdlib-${versions['prebuilt-tdlib']}`)
const run = promisify(execFile)

/** Telegram's own library, as far as it works without Telegram. */
export interface Tdlib {
  /** Answers a request at once; a refusal is an answer, too. */
  execute(request: object): unknown
}

/** The real library, pinned, in a folder under `.cache`; or why it cannot be had here. In CI it must be had. */
export async function tdlib(): Promise<Tdlib | string> {
  if (process.platform !== 'linux') return 'Telegram’s own parser is built for Linux here'
  try {
    await holding('tdlib', install)
    return load()
  } catch (error) {
    if (process.env['CI'] !== undefined) throw error
    return `no TDLib here: ${error instanceof Error ? error.message : String(error)}`
  }
}

async function install(): Promise<void> {
  const complete = join(folder, 'complete')
  if (existsSync(complete)) return
  await rm(folder, { recursive: true, force: true })
  await mkdir(folder, { recursive: true })
  await writeFile(join(folder, 'package.json'), '{"private":true}')
  const packages = Object.entries(versions).map(([name, version]) => `${name}@${version}`)
  const path = [dirname(process.execPath), process.env['PATH'] ?? ''].join(delimiter)
  // Its parts are built already: nothing of the packages needs to run.
  const what = ['install', '-E', '--no-audit', '--no-fund', '--ignore-scripts', ...packages]
  await run('npm', what, { cwd: folder, env: { ...process.env, PATH: path }, timeout: 300_000 })
  await writeFile(complete, '')
}

function load(): Tdlib {
  const require = createRequire(join(folder, 'package.json'))
  const tdl: Tdlib & { configure(options: object): void } = require('tdl')
  const prebuilt: { getTdjson(): string } = require('prebuilt-tdlib')
  tdl.configure({ tdjson: prebuilt.getTdjson(), verbosityLevel: 0 })
  return tdl
}
