import { existsSync, readdirSync, rmSync } from 'node:fs'
import { homedir } from 'node:os'
import { join, parse } from 'node:path'
import { UserError } from '../core/user-error.ts'
import { folderSize, megabytes } from '../lib/folder-size.ts'

/** What a person or an agent has written there. */
const own: ReadonlySet<string> = new Set(['workspace', '.env'])

/** What may be deleted of a home folder, and what stays. */
export interface Contents {
  readonly doomed: readonly string[]
  readonly staying: readonly string[]
}

/** Throws `UserError` for a folder that is no home of ductor: nothing in it is ours to delete. */
export function contentsOf(home: string, everything: boolean): Contents {
  const marks = ['config/config.json', 'ductor.db', 'run/lock.db']
  if (home === homedir() || home === parse(home).root) {
    throw new UserError(`${home} holds more than ductor: delete what you like by hand.`)
  }
  if (!existsSync(home)) throw new UserError(`There is nothing: ${home} does not exist.`)
  if (!marks.some((mark) => existsSync(join(home, mark)))) {
    throw new UserError(
      `${home} does not look like a home of ductor (there is no config.json and no store), so nothing was deleted. If it is one, delete it by hand.`,
    )
  }
  const names = readdirSync(home)
  const stays = (name: string) => !everything && own.has(name)
  return { doomed: names.filter((name) => !stays(name)), staying: names.filter(stays) }
}

/** What will be deleted, a line each, for a person to read first. */
export function listed(home: string, { doomed, staying }: Contents): string {
  const lines = doomed.map((name) => {
    const { files, bytes } = folderSize(join(home, name))
    return `  ${name}${files === 1 ? '' : ` (${files} files)`}, ${megabytes(bytes)}`
  })
  const rest = staying.length === 0 ? [] : [`This stays: ${staying.join(', ')}.`]
  return [`This will be deleted in ${home}:`, ...lines, ...rest].join('\n')
}

export function remove(home: string, { doomed, staying }: Contents): void {
  for (const name of doomed) rmSync(join(home, name), { recursive: true, force: true })
  if (staying.length === 0) rmSync(home, { recursive: true, force: true })
}
