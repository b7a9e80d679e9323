import { existsSync, rmSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { cancel, intro } from '@clack/prompts'
import { z } from 'zod'
import { entriesIn, entriesPath, readEntries } from '../agents/entries.ts'
import type { File } from '../config/file.ts'
import { judge } from '../config/load.ts'
import { sentence } from '../config/problem.ts'
import type { Log } from '../core/define.ts'
import type { Interview, SetUpResult } from '../core/set-up.ts'
import { UserError } from '../core/user-error.ts'
import { writeFileAtomically } from '../lib/atomic-write.ts'
import { askYes } from './ask-yes.ts'
import { ask } from './control.ts'
import { homeFolder } from './home.ts'
import { adapters } from './load.ts'
import type { Call } from './main.ts'
import { MisuseError } from './misuse.ts'
import { Answers, answersFrom } from './onboarding/answers.ts'
import { Left } from './onboarding/asker.ts'
import { settableForAgents } from './onboarding/options.ts'
import { Replay } from './onboarding/replay.ts'
import { Terminal } from './onboarding/terminal.ts'
import { existingFile } from './onboarding/write.ts'

const silent: Log = { debug() {}, info() {}, warn() {}, error() {} }
const usage = '“agents” takes “list”, “add NAME” or “remove NAME”'

/** Lists, adds and removes sub-agents. A ductor that runs sees the change by itself. */
export default async function agents(call: Call): Promise<number> {
  const home = homeFolder(process.env)
  const [what = 'list', name] = call.words
  switch (what) {
    case 'list':
      return show(home)
    case 'add':
      if (name === undefined) throw new MisuseError(usage)
      return add(home, name, call)
    case 'remove':
      if (name === undefined) throw new MisuseError(usage)
      return remove(home, name, call)
    default:
      throw new MisuseError(usage)
  }
}

const state = z.object({
  agents: z.array(z.object({ name: z.string(), state: z.string().optional(), detail: z.string().nullish() })),
})

async function show(home: string): Promise<number> {
  const { entries, problems } = await readEntries(home, (await existingFile(home)) ?? {})
  const asked = await ask(home, 'status')
  const running = asked.state === 'running' ? state.parse(asked.answer).agents : []
  say('main: the agent of config.json')
  for (const { name, file } of entries) {
    const known = running.find((one) => one.name === name)
    const how =
      known === undefined ? 'not running' : `${known.state}${known.detail ? ` – ${known.detail}` : ''}`
    say(`${name}: ${String(file['transports'])}, ${how}`)
  }
  for (const problem of problems) say(`problem: ${problem}`)
  return problems.length === 0 ? 0 : 1
}

async function add(home: string, name: string, call: Call): Promise<number> {
  const main = (await existingFile(home)) ?? {}
  const list = await rawEntries(home)
  // The name is judged as the file would be, before anything is asked.
  check([...list, { name }], main, name)
  const given = answersFrom(call, process.env)
  let answered: Answered
  try {
    answered = await asking(given, call, (interview) => interviewFor(interview, home, name))
  } catch (error) {
    if (!(error instanceof Left)) throw error
    cancel('Nothing was written.')
    return 1
  }
  const all = [...list, answered.entry]
  const file = check(all, main, name)
  const judged = await judge('agents.json', file, adapters)
  if (judged.state === 'wrong')
    throw new UserError(
      ['That cannot be used:', ...judged.problems.map((one) => `  ${sentence(one)}`)].join('\n'),
    )
  await answered.result.save?.()
  await write(home, all)
  say(`Wrote ${entriesPath(home)}. A ductor that runs starts ${name} within some seconds.`)
  say(answered.result.next)
  return 0
}

/** All answers, before anything of them is written. */
interface Answered {
  readonly entry: File
  readonly result: SetUpResult
}

async function asking(
  given: ReturnType<typeof answersFrom>,
  call: Call,
  interview: (interview: Interview) => Promise<Answered>,
): Promise<Answered> {
  if (call.has('non-interactive')) return new Replay(new Answers(given, say)).run(interview)
  if (!process.stdin.isTTY || !process.stdout.isTTY)
    throw new UserError(
      'This is no terminal. Give the answers as options, with --non-interactive; “ductor help agents” lists them.',
    )
  intro('A sub-agent – Enter answers, Escape goes back, Ctrl-C leaves and writes nothing')
  using terminal = new Terminal(given)
  return await new Replay(terminal).run(interview)
}

async function interviewFor(interview: Interview, home: string, name: string): Promise<Answered> {
  const all = await settableForAgents()
  const picked = await interview.choose({
    option: 'transport',
    ask: `Where will you write to ${name}?`,
    choices: all.map(({ definition, setUp }) => ({
      value: definition.name,
      label: setUp.title,
      hint: setUp.hint,
    })),
  })
  const chosen = all.find(({ definition }) => definition.name === picked)
  if (chosen === undefined) throw new UserError(`There is no transport “${picked}”.`)
  const deps = { home: join(home, 'agents', name), log: silent, alone: true }
  const result = await chosen.setUp.run(interview, deps)
  const provider = interview.given('answering-agent')
  const entry = {
    name,
    transport: picked,
    ...result.keys,
    ...(provider === undefined ? {} : { provider }),
  }
  return { entry, result }
}

async function remove(home: string, name: string, call: Call): Promise<number> {
  const list = await rawEntries(home)
  const left = list.filter((entry) => entry['name'] !== name)
  if (left.length === list.length) throw new UserError(`agents.json names no “${name}”.`)
  await write(home, left)
  say(`${name} is out of agents.json. A ductor that runs stops it within some seconds.`)
  const folder = join(home, 'agents', name)
  if (!call.has('home') || !existsSync(folder)) {
    if (existsSync(folder)) say(`Its folder stays: ${folder} (--home deletes it, too).`)
    return 0
  }
  if (await askYes(`Delete ${folder} with its workspace and its memory?`, call.has('yes')))
    rmSync(folder, { recursive: true })
  return 0
}

/** The entry as its own config.json. Throws `UserError` with what is wrong with it. */
function check(list: readonly File[], main: File, name: string): File {
  const { entries, problems } = entriesIn(list, main)
  if (problems.length > 0) throw new UserError(problems.join('\n'))
  return entries.find((entry) => entry.name === name)?.file ?? {}
}

async function rawEntries(home: string): Promise<readonly File[]> {
  const path = entriesPath(home)
  if (!existsSync(path)) return []
  const { problems } = await readEntries(home, {})
  if (problems.length > 0) throw new UserError(`Mend it first: ${problems.join('; ')}`)
  return z.array(z.record(z.string(), z.unknown())).parse(JSON.parse(await readFile(path, 'utf8')))
}

async function write(home: string, list: readonly File[]): Promise<void> {
  await writeFileAtomically(entriesPath(home), `${JSON.stringify(list, undefined, 2)}\n`, { mode: 0o600 })
}

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}
