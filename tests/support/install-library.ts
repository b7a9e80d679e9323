import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { delimiter, dirname, join } from 'node:path'
import { promisify } from 'node:util'

const cache = join(import.meta.dirname, '../../.cache')
const run = promisify(execFile)

/** A library in another version than the project's own, in a folder under `.cache`. Resolves with that folder. */
export async function installedLibrary(name: string, version: string): Promise<string> {
  const folder = join(cache, `${name.replaceAll(/\W+/g, '-')}-${version}`)
  if (existsSync(folder)) return folder
  await mkdir(cache, { recursive: true })
  // Made aside and moved in one step: whoever sees the folder sees all of it.
  const draft = await mkdtemp(join(cache, 'library-'))
  await writeFile(join(draft, 'package.json'), '{"private":true}')
  const path = [dirname(process.execPath), process.env['PATH'] ?? ''].join(delimiter)
  const what = ['install', '-E', '--no-audit', '--no-fund', '--ignore-scripts', `${name}@${version}`]
  await run('npm', what, { cwd: draft, env: { ...process.env, PATH: path }, timeout: 300_000 })
  try {
    await rename(draft, folder)
  } catch (error) {
    // Somebody else was faster.
    await rm(draft, { recursive: true, force: true })
    if (!existsSync(folder)) throw error
  }
  return folder
}
