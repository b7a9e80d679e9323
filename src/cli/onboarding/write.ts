import { copyFileSync, existsSync, mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { configPath, readConfigFile, type File } from '../../config/file.ts'
import { writeFileAtomically } from '../../lib/atomic-write.ts'

/** What stands in config.json so far; nothing where it is missing or is no JSON. */
export async function existingFile(home: string): Promise<File | undefined> {
  const read = await readConfigFile(configPath(home))
  return read === 'missing' || 'problem' in read ? undefined : read.file
}

/** Writes config.json so that only its owner can read it. A file that was there stays beside it, as config.json.before. */
export async function writeConfig(home: string, file: File): Promise<string> {
  const path = configPath(home)
  mkdirSync(home, { recursive: true, mode: 0o700 })
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  if (existsSync(path)) copyFileSync(path, `${path}.before`)
  await writeFileAtomically(path, `${JSON.stringify(file, undefined, 2)}\n`, { mode: 0o600 })
  return path
}
