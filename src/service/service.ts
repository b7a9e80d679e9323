import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { userInfo } from 'node:os'
import { basename, dirname } from 'node:path'
import { UserError } from '../core/user-error.ts'
import { launchd } from './launchd.ts'
import type { Command, ServicePlan, ServiceRecipe } from './recipe.ts'
import { systemd } from './systemd.ts'
import { taskScheduler } from './task-scheduler.ts'

/** The recipe for this machine. Throws `UserError` where we know of no system that could run it. */
export function recipeFor(plan: ServicePlan, platform: NodeJS.Platform = process.platform): ServiceRecipe {
  if (platform === 'linux') return systemd(plan, { uid: userInfo().uid, name: userInfo().username })
  if (platform === 'darwin') return launchd(plan, userInfo().uid)
  if (platform === 'win32') return taskScheduler(plan, userInfo().username)
  throw new UserError(
    `ductor does not know how to be a service on ${platform}: let your own supervisor run it.`,
  )
}

export function isInstalled({ files }: ServiceRecipe): boolean {
  return files.every(({ path }) => existsSync(path))
}

/** Writes the files and runs the commands. Throws `UserError` with what the system said. */
export async function installService(recipe: ServiceRecipe, say: (line: string) => void): Promise<void> {
  await runAll(recipe.reach)
  for (const { path, text } of recipe.files) {
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, text, { mode: 0o600 })
    say(`wrote ${path}`)
  }
  await runAll(recipe.install)
}

export async function uninstallService(recipe: ServiceRecipe, say: (line: string) => void): Promise<void> {
  await runAll(recipe.uninstall)
  for (const { path } of recipe.files) {
    rmSync(path, { force: true })
    say(`removed ${path}`)
  }
  await runAll(recipe.afterUninstall)
}

/** Throws `UserError` at the first command that should have succeeded and did not. */
export async function runAll(commands: readonly Command[]): Promise<void> {
  for (const command of commands) {
    const { code, said } = await run(command, 'pipe')
    if (code === 0 || command.optional === true) continue
    const mend = command.mend?.(said)
    throw new UserError(
      `“${inWords(command)}” did not succeed${code === undefined ? '' : ` (${code})`}: ${said}${mend === undefined ? '' : `\n${mend}`}`,
    )
  }
}

/** Runs a command in front of the person; resolves with its exit code. Throws `UserError` where it cannot be run. */
export async function show(command: Command): Promise<number> {
  const { code, said } = await run(command, 'inherit')
  if (code !== undefined) return code
  throw new UserError(`“${inWords(command)}” cannot be run: ${said}`)
}

export function inWords({ program, args }: Command): string {
  return [basename(program), ...args].map((word) => (/\s/.test(word) ? `"${word}"` : word)).join(' ')
}

function run(
  { program, args, env }: Command,
  stdio: 'pipe' | 'inherit',
): Promise<{ readonly code: number | undefined; readonly said: string }> {
  return new Promise((resolve) => {
    const child = spawn(program, [...args], {
      stdio: ['ignore', stdio, stdio],
      env: { ...process.env, ...env },
    })
    let said = ''
    const listen = (chunk: Buffer) => {
      said = (said + chunk.toString()).slice(-2000)
    }
    child.stdout?.on('data', listen)
    child.stderr?.on('data', listen)
    child.once('error', ({ message }) => resolve({ code: undefined, said: message }))
    child.once('close', (code) => resolve({ code: code ?? undefined, said: said.trim() }))
  })
}
