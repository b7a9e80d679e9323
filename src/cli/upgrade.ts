import { execFile } from 'node:child_process'
import { cpSync, existsSync, globSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { z } from 'zod'
import { UserError } from '../core/user-error.ts'
import { isLocked } from '../lib/lock.ts'
import { isInstalled, recipeFor, runAll } from '../service/service.ts'
import { formerStore, formOf, storeFile } from '../store/open.ts'
import { ask, lockPath, readNote, type Asked } from './control.ts'
import { homeFolder } from './home.ts'
import { wouldBegin } from './load.ts'
import type { Call } from './main.ts'
import { MisuseError } from './misuse.ts'
import { npmProgram, runNpm } from './npm.ts'
import { placeOf, type Place } from './place.ts'
import { restartRunning } from './restart.ts'
import { stopRunning } from './stop.ts'
import { servicePlan } from './service-plan.ts'
import { version } from './version.ts'

const run = promisify(execFile)
const manifest = z.object({ version: z.string() })
const status = z.object({ transports: z.array(z.object({ name: z.string(), state: z.string() })) })

/** How long the transports have to connect again, in seconds. */
const usualWait = '60'

/** Where the version of before waits until the new one has shown that it works. */
interface Before {
  /** The program itself. */
  readonly package: string
  /** The stores of all agents, by path, with the form that they had. */
  readonly stores: ReadonlyMap<string, number>
  readonly version: string
  readonly connected: readonly string[]
  /** When the ductor was started that ran; undefined where none did. */
  readonly startedAt: number | undefined
}

/** Installs another version with npm, restarts, and looks whether it fares as the one before; if not, goes back. */
export default async function upgrade(call: Call): Promise<number> {
  const home = homeFolder(process.env)
  const place = placeOf()
  if (place.kind === 'checkout') {
    throw new UserError(`This is a checkout: “git pull && npm ci” in ${place.folder} upgrades it.`)
  }
  if (place.kind === 'local') {
    throw new UserError(
      `ductor is a part of a project: “npm install ductor@latest” there upgrades it (${place.folder}).`,
    )
  }
  const wait = call.text('wait') ?? usualWait
  if (!/^\d{1,4}$/.test(wait)) throw new MisuseError(`“${wait}” is no number of seconds`)
  const npm = npmProgram(process.env)
  const wanted = call.text('to') ?? 'latest'
  const spec = isFile(wanted) ? resolve(wanted) : `ductor@${wanted}`
  if (!isFile(wanted)) {
    const newest = (await runNpm(npm, ['view', spec, 'version'], process.env)).trim()
    if (newest === version()) {
      say(`This is ductor ${newest} already.`)
      return 0
    }
  }
  if (isLocked(lockPath(home)) && readNote(home)?.configured === true) await wouldBegin(home, 'upgraded')
  const before = await keepBefore(home, place)
  // Ctrl-C ends npm, which is told on the same terminal, and then the program still has to be put back.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {})
  try {
    say(`Installing ${basename(spec)} …`)
    await runNpm(npm, ['install', '--global', '--prefix', place.prefix, spec], process.env)
    const now = versionIn(place.folder)
    await answers(place, now)
    await comesUp(home, before, Number(wait) * 1000)
    forget(before)
    say(`ductor ${before.version} is ductor ${now} now.`)
    return 0
  } catch (error) {
    const kept = await goBack(home, place, before)
    if (!(error instanceof UserError)) throw error
    if (kept !== undefined) throw new UserError(`${error.message}\n${kept}`, { cause: error })
    throw new UserError(`${error.message}\nductor ${before.version} was put back.`, { cause: error })
  } finally {
    rmSync(before.package, { recursive: true, force: true })
  }
}

function isFile(wanted: string): boolean {
  return /[\\/]|\.tgz$/.test(wanted)
}

function versionIn(folder: string): string {
  return manifest.parse(JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))).version
}

async function keepBefore(home: string, place: Place): Promise<Before> {
  const asked = await ask(home, 'status')
  // Beside its place, where npm looks at nothing that begins with a dot.
  const kept = join(dirname(place.folder), '.ductor-before')
  keepAside(place.folder, kept)
  return {
    package: kept,
    stores: new Map(storesIn(home).map((path) => [path, formOf(path)])),
    version: version(),
    connected: connectedIn(asked),
    startedAt: asked.state === 'running' ? asked.note.startedAt : undefined,
  }
}

/** A copy: what runs loads the rest of itself from its place, and after a power cut the program is there. */
function keepAside(folder: string, kept: string): void {
  try {
    rmSync(kept, { recursive: true, force: true })
    cpSync(folder, kept, { recursive: true, verbatimSymlinks: true })
  } catch (error) {
    rmSync(kept, { recursive: true, force: true })
    const why = error instanceof Error ? error.message : String(error)
    throw new UserError(`The version of now cannot be kept beside its place: ${why}`, { cause: error })
  }
}

/** Those of the main agent and of its sub-agents. */
function storesIn(home: string): readonly string[] {
  return globSync([storeFile, join('agents', '*', storeFile)], { cwd: home }).map((path) => join(home, path))
}

function connectedIn(asked: Asked): readonly string[] {
  if (asked.state !== 'running') return []
  return status
    .parse(asked.answer)
    .transports.flatMap(({ name, state }) => (state === 'connected' ? [name] : []))
}

/** Does the new program start at all? */
async function answers({ folder }: Place, expected: string): Promise<void> {
  try {
    const { stdout } = await run(process.execPath, [join(folder, 'bin', 'ductor.mjs'), '--version'], {
      timeout: 30_000,
    })
    if (stdout.trim() === expected) return
  } catch (error) {
    throw new UserError(
      `The new version does not start: ${error instanceof Error ? error.message : String(error)}`,
      {
        cause: error,
      },
    )
  }
  throw new UserError('The new version does not say which one it is.')
}

/** Where ductor runs: restarts it, and waits until every transport that was connected is so again. */
async function comesUp(home: string, before: Before, waitMs: number): Promise<void> {
  if (!isLocked(lockPath(home))) return
  const restarted = await restartRunning(home)
  if (restarted.state === 'failed') throw new UserError(restarted.why)
  const end = Date.now() + waitMs
  for (;;) {
    const now = connectedIn(await ask(home, 'status'))
    const lost = before.connected.filter((name) => !now.includes(name))
    if (lost.length === 0) return
    if (Date.now() > end)
      throw new UserError(`The new version does not connect to ${lost.join(' and ')} any more.`)
    await sleep(500)
  }
}

/** Gives why the new version was kept after all, where it was. */
async function goBack(home: string, place: Place, before: Before): Promise<string | undefined> {
  const asked = await ask(home, 'status')
  // The one of before has not noticed anything yet: it goes on.
  const untouched = asked.state === 'running' && asked.note.startedAt === before.startedAt
  if (!untouched) {
    const { state, kill } = await stopRunning(home)
    // What it takes until it ends would be in the store of the new version only.
    if (state === 'stays')
      return `It runs on and does not stop${kill}, so nothing was put back. When it has ended: “npm install --global ductor@${before.version}”.`
  }
  rmSync(place.folder, { recursive: true, force: true })
  renameSync(before.package, place.folder)
  if (untouched || before.startedAt === undefined) return undefined
  for (const [path, form] of before.stores) putStoreBack(path, form)
  const recipe = recipeFor(await servicePlan(home, process.env))
  if (isInstalled(recipe)) await runAll(recipe.start)
  else say('ductor is not running now: start it with “ductor”.')
  return undefined
}

/** Only where the new version has changed its form, which the old one would refuse; it kept a copy then. */
function putStoreBack(path: string, form: number): void {
  const kept = formerStore(path, form)
  if (!existsSync(path) || !existsSync(kept) || formOf(path) === form) return
  // What is not in the file itself yet lies beside it.
  for (const more of ['', '-wal', '-shm']) {
    if (existsSync(`${path}${more}`)) renameSync(`${path}${more}`, `${path}.newer${more}`)
  }
  renameSync(kept, path)
  say(`The store of the new version is kept as ${path}.newer: what it took last is only there.`)
}

/** The new version fares well: nobody goes back to the stores of before. */
function forget({ stores }: Before): void {
  for (const [path, form] of stores) rmSync(formerStore(path, form), { force: true })
}

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}
