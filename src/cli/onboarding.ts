import { cancel, intro, outro } from '@clack/prompts'
import { environment } from '../config/environment.ts'
import type { File } from '../config/file.ts'
import { defaultTransport, judge, loadForTrial } from '../config/load.ts'
import { sentence } from '../config/problem.ts'
import { shapeOf } from '../config/shape.ts'
import type { Log } from '../core/define.ts'
import type { Interview, SetUpResult } from '../core/set-up.ts'
import { UserError } from '../core/user-error.ts'
import { isLocked } from '../lib/lock.ts'
import { recipeFor } from '../service/service.ts'
import { lockPath } from './control.ts'
import { install, librariesOf, missing } from './extras.ts'
import { homeFolder } from './home.ts'
import { adapters } from './load.ts'
import type { Call } from './main.ts'
import { chooseAgent } from './onboarding/agents.ts'
import { Answers, answersFrom, type GivenAnswers } from './onboarding/answers.ts'
import { Back, Left, type Asker } from './onboarding/asker.ts'
import { settable, type Settable } from './onboarding/options.ts'
import { Replay } from './onboarding/replay.ts'
import { Terminal } from './onboarding/terminal.ts'
import { askTimezone } from './onboarding/timezone.ts'
import { existingFile, writeConfig } from './onboarding/write.ts'
import { runConfigured } from './run.ts'
import { servicePlan } from './service-plan.ts'
import { bringService } from './service-up.ts'

const silent: Log = { debug() {}, info() {}, warn() {}, error() {} }

/** All answers, before anything of them is written. */
interface Plan {
  readonly file: File
  readonly results: readonly SetUpResult[]
  /** Transports whose libraries shall be installed. */
  readonly install: readonly string[]
}

/** Asks, tests, writes config.json, and goes on to the first message. */
export default async function onboarding(call: Call): Promise<number> {
  const given = answersFrom(call, process.env)
  if (call.has('non-interactive')) return setUp(new Answers(given, say), call)
  if (!process.stdin.isTTY || !process.stdout.isTTY) {
    throw new UserError(
      'This is no terminal. Give the answers as options, with --non-interactive; “ductor help onboarding” lists them.',
    )
  }
  return askInTerminal(call, given)
}

async function askInTerminal(call: Call, given: GivenAnswers): Promise<number> {
  intro('ductor – Enter answers, Escape goes back, Ctrl-C leaves and writes nothing')
  using terminal = new Terminal(given)
  return await setUp(terminal, call)
}

async function setUp(asker: Asker, call: Call): Promise<number> {
  const home = homeFolder(process.env)
  const before = await existingFile(home)
  let plan: Plan
  try {
    plan = await new Replay(asker).run((interview) => askAll(interview, home, before))
  } catch (error) {
    if (!(error instanceof Left)) throw error
    cancel('Nothing was written.')
    return 1
  }
  await write(plan, home)
  return goOn(asker, plan, home, call)
}

async function askAll(interview: Interview, home: string, before: File | undefined): Promise<Plan> {
  const agent = await askAgent(interview, home)
  await askConsent(interview)
  const kept =
    before !== undefined &&
    (await interview.confirm({
      option: 'keep',
      ask: 'There is a config.json already. Keep its other settings?',
      initial: true,
    }))
  const base = kept ? before : {}
  const chosen = await askTransports(interview)
  const libraries = await askLibraries(interview, chosen, home)
  const results: SetUpResult[] = []
  for (const one of chosen) {
    if (await mayStay(interview, one, base)) continue
    const deps = { home, log: silent, alone: chosen.length === 1 }
    results.push(await one.setUp.run(interview, deps))
  }
  const zone = await askTimezone(interview)
  const { transport: _one, transports: _several, ...rest } = base
  const file = {
    ...selection(chosen.map(({ definition }) => definition.name)),
    ...rest,
    ...Object.assign({}, ...results.map(({ keys }) => keys)),
    ...(agent === undefined ? {} : { provider: agent }),
    ...(zone === undefined ? {} : { user_timezone: zone }),
  }
  return { file, results, install: libraries }
}

async function askAgent(interview: Interview, home: string): Promise<string | undefined> {
  const trial = await loadForTrial(home, adapters, {})
  // What is wrong with a file that is about to be replaced is of no interest.
  const looked = trial.state === 'good' ? trial : await judge('', { transports: ['web'] }, adapters)
  if (looked.state !== 'good') return undefined
  return chooseAgent(interview, looked.config, home, environment(home, process.env))
}

async function askConsent(interview: Interview): Promise<void> {
  interview.tell(
    [
      'An agent works on this machine as you: it reads and writes your files and runs commands.',
      'It asks in the chat before it acts, and only the people that you list may talk to it.',
      'Still: whoever can write as one of them, and whatever text the agent reads, can try to misuse it.',
    ].join('\n'),
  )
  const agreed = await interview.confirm({
    option: 'accept-risk',
    ask: 'May agents act on this machine?',
    initial: false,
  })
  if (agreed) return
  throw new UserError(
    'Without your consent nothing is set up, and nothing was written. (In a script: --accept-risk)',
  )
}

async function askTransports(interview: Interview): Promise<readonly Settable[]> {
  const all = (await settable()).toSorted((a, b) => rank(a) - rank(b))
  const joint = all.filter(({ setUp: { exclusive } }) => exclusive !== true)
  const sets = [
    ...joint.map((one) => [one]),
    ...(joint.length > 1 ? [joint] : []),
    ...all.filter((one) => !joint.includes(one)).map((one) => [one]),
  ]
  const picked = await interview.choose({
    option: 'transports',
    ask: 'Where will you write to your agent?',
    choices: sets.map((set) => ({
      value: namesOf(set),
      label: set.map(({ setUp: { title } }) => title).join(' and '),
      hint: set.length > 1 ? 'side by side' : (set[0]?.setUp.hint ?? ''),
    })),
  })
  return sets.find((set) => namesOf(set) === picked) ?? []
}

function namesOf(set: readonly Settable[]): string {
  return set.map(({ definition }) => definition.name).join(',')
}

/** The usual one first. */
function rank({ definition, setUp: { exclusive } }: Settable): number {
  if (definition.name === defaultTransport) return 0
  return exclusive === true ? 2 : 1
}

async function askLibraries(
  interview: Interview,
  chosen: readonly Settable[],
  home: string,
): Promise<readonly string[]> {
  const wanted: string[] = []
  for (const {
    definition,
    setUp: { title },
  } of chosen) {
    const lacking = missing(await librariesOf(home, definition))
    if (lacking.length === 0) continue
    interview.tell(
      `${title} needs ${lacking.map(({ name }) => name).join(' and ')}, which is not installed yet.`,
    )
    const yes = await interview.confirm({
      option: `install-${definition.name}`,
      ask: 'Install it with npm, when everything is answered?',
      initial: true,
    })
    if (yes) wanted.push(definition.name)
  }
  return wanted
}

/** Is it set up in the file that is kept, and shall it stay so? */
async function mayStay(
  interview: Interview,
  { definition, setUp: asks }: Settable,
  base: File,
): Promise<boolean> {
  const own = Object.keys(shapeOf(definition.config).properties ?? {})
  const isThere = own.some((key) => base[key] !== undefined) && definition.config.safeParse(base).success
  if (!isThere || Object.keys(asks.options).some((option) => interview.given(option) !== undefined))
    return false
  const anew = await interview.confirm({
    option: `again-${definition.name}`,
    ask: `${asks.title} is set up already. Set it up anew?`,
    initial: false,
  })
  return !anew
}

/** As the guide writes it: nothing for the usual one alone. */
function selection(names: readonly string[]): File {
  if (names.length > 1) return { transports: names }
  return names[0] === defaultTransport || names[0] === undefined ? {} : { transport: names[0] }
}

async function write({ file, results, install: libraries }: Plan, home: string): Promise<void> {
  const judged = await judge('config.json', file, adapters)
  if (judged.state === 'wrong') {
    const lines = judged.problems.map((problem) => `  ${sentence(problem)}`)
    throw new UserError(['What would be written cannot be used:', ...lines].join('\n'))
  }
  say(`Wrote ${await writeConfig(home, file)}.`)
  for (const result of results) await result.save?.()
  for (const name of libraries) await install(home, name, process.env, say)
}

/** The service, the start, the first message. */
async function goOn(asker: Asker, plan: Plan, home: string, call: Call): Promise<number> {
  const next = plan.results.map((result) => result.next)
  if (isLocked(lockPath(home))) {
    say('ductor is running here with the settings of before: “ductor restart” brings it the new ones.')
    return 0
  }
  const asService = await leavingMeansNo(() => offerService(asker, home))
  if (asService) {
    for (const line of next) say(line)
    return 0
  }
  const start = await leavingMeansNo(() =>
    asker.yesNo(
      { option: 'start', ask: 'Start ductor now, in this terminal?', initial: asker.patient },
      undefined,
    ),
  )
  if (asker.patient) outro(start ? next.join('\n   ') : ['Start it with “ductor”.', ...next].join('\n   '))
  else for (const line of [...(start ? [] : ['Start it with “ductor”.']), ...next]) say(line)
  return start ? runConfigured(call.verbose) : 0
}

async function offerService(asker: Asker, home: string): Promise<boolean> {
  const wanted = await asker.yesNo(
    {
      option: 'install-service',
      ask: 'Run ductor as a service, whenever this machine runs?',
      initial: false,
    },
    undefined,
  )
  if (!wanted) return false
  try {
    await bringService(home, recipeFor(await servicePlan(home, process.env)), say)
    return true
  } catch (error) {
    if (!(error instanceof UserError) || !asker.patient) throw error
    say(`That did not work: ${error.message}\nIt can be tried again later: “ductor service install”.`)
    return false
  }
}

/** What is written stays written: to go back or to leave is only not to start. */
async function leavingMeansNo(ask: () => Promise<boolean>): Promise<boolean> {
  try {
    return await ask()
  } catch (error) {
    if (error instanceof Left || error instanceof Back) return false
    throw error
  }
}

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}
