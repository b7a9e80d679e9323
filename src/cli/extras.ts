import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { z } from 'zod'
import type { TransportDefinition } from '../core/define.ts'
import { UserError } from '../core/user-error.ts'
import { adapters } from './load.ts'
import { npmProgram, runNpm } from './npm.ts'
import { extrasFolder } from '../lib/import-extra.ts'

const manifest = z.object({ version: z.string() })

/** A library that a transport needs beyond the base install, and how it stands. */
export interface Library {
  readonly name: string
  /** What will do, as npm writes it. */
  readonly range: string
  /** Undefined: it is not there. */
  readonly found?: { readonly version: string; readonly folder: string; readonly fits: boolean }
  /** What is less good where it is not there. Undefined: without it, nothing works. */
  readonly without?: string
}

type Wishes = Pick<TransportDefinition, 'needs' | 'likes'>

/** The transports that need something, each with its libraries. */
export async function extras(home: string): Promise<ReadonlyMap<string, readonly Library[]>> {
  const definitions = await Promise.all(adapters.transports.map((name) => adapters.transport(name)))
  const needy = definitions.filter(({ needs }) => needs !== undefined)
  const all = needy.map(async (definition) => [definition.name, await librariesOf(home, definition)] as const)
  return new Map(await Promise.all(all))
}

/** Looks in the ordinary place first, then in the home folder. */
export async function librariesOf(home: string, { needs = {}, likes = {} }: Wishes): Promise<Library[]> {
  const all: Library[] = [
    ...Object.entries(needs).map(([name, range]) => ({ name, range })),
    ...Object.entries(likes).map(([name, liked]) => ({ name, ...liked })),
  ]
  if (all.length === 0) return []
  // Most starts need none, and so not this either.
  const { default: satisfies } = await import('semver/functions/satisfies.js')
  return all.map((library) => {
    const { name, range } = library
    const found = find(name, fileURLToPath(import.meta.url)) ?? find(name, join(extrasFolder(home), 'x'))
    if (found === undefined) return library
    return { ...library, found: { ...found, fits: satisfies(found.version, range) } }
  })
}

function find(name: string, from: string): Omit<NonNullable<Library['found']>, 'fits'> | undefined {
  const folder = (createRequire(from).resolve.paths(name) ?? [])
    .map((modules) => join(modules, name))
    .find((candidate) => existsSync(join(candidate, 'package.json')))
  if (folder === undefined) return undefined
  const { version } = manifest.parse(JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')))
  return { version, folder }
}

/** The libraries without which nothing works, and that are not there, or not in a version that will do. */
export function missing(libraries: readonly Library[]): readonly Library[] {
  return libraries.filter(({ found, without }) => found?.fits !== true && without === undefined)
}

/** For a person: what is missing, and the one command that brings it. */
export function howToInstall(transport: string, lacking: readonly Library[]): string {
  const what = lacking
    .map(({ name, range, found }) =>
      found === undefined ? name : `${name} ${range} (${found.version} is installed)`,
    )
    .join(' and ')
  return `${what} is required for ${transport}. Run “ductor install ${transport}”.`
}

/**
 * Lets npm install what is not there into the home folder, and imports it. Throws `UserError` where that fails with one
 * that is needed.
 */
export async function install(
  home: string,
  transport: string,
  env: NodeJS.ProcessEnv,
  say: (line: string) => void,
): Promise<void> {
  const definition = await adapters.transport(transport)
  const lacking = (await librariesOf(home, definition)).filter(({ found }) => found?.fits !== true)
  const folder = extrasFolder(home)
  if (lacking.length > 0) {
    const npm = npmProgram(env)
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    const own = join(folder, 'package.json')
    if (!existsSync(own)) writeFileSync(own, '{ "private": true }\n')
    const what = lacking.map(({ name, range }) => `${name}@${range}`)
    say(`Installing ${what.join(' ')} into ${folder} …`)
    await runNpm(npm, ['install', '--omit=dev', ...what], env, folder)
  }
  for (const library of await librariesOf(home, definition)) {
    try {
      say(`${library.name} ${await tried(library)} is there and can be imported.`)
    } catch (error) {
      if (library.without === undefined || !(error instanceof UserError)) throw error
      say(`${error.message}\nThis is no obstacle: ${library.without}.`)
    }
  }
}

/** Resolves with its version. Throws `UserError` where it cannot be used. */
async function tried({ name, range, found }: Library): Promise<string> {
  if (found?.fits !== true) throw new UserError(`npm is done, but ${name} ${range} is not there.`)
  await tryImport(name, found.folder)
  return found.version
}

/** In a process of its own: what comes to it there does nothing here, and it sees the files as the next start will. */
function tryImport(name: string, folder: string): Promise<void> {
  const entry = createRequire(join(folder, 'x')).resolve(name)
  const script = `await import(${JSON.stringify(pathToFileURL(entry).href)})`
  return new Promise((resolve, reject) => {
    execFile(
      process.execPath,
      ['--input-type=module', '-e', script],
      { timeout: 60_000 },
      (error, _out, said) => {
        if (error === null) return resolve()
        reject(new UserError(`${name} is installed, but cannot be imported:\n${said.trim().slice(-2000)}`))
      },
    )
  })
}
