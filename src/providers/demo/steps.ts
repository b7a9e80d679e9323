import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import type { Act } from './act.ts'
import { picture } from './picture.ts'
import { introduction, showcase } from './words.ts'

interface Step {
  /** What may follow the word. */
  readonly takes?: string
  readonly does: string
  /** `rest` is what follows the word. */
  perform(act: Act, rest: string): Promise<unknown> | void
}

/** Only where a test says so does the demo agent run what it was allowed to. */
const shell = process.env['DUCTOR_DEMO_SHELL'] === '1'

const steps: Readonly<Record<string, Step>> = {
  say: { takes: 'TEXT', does: 'answers TEXT', perform: (act, rest) => act.speak(rest) },
  markdown: { does: 'headings, lists, a table, code', perform: (act) => act.speak(showcase) },
  slow: {
    takes: 'N',
    does: 'counts to N, five numbers a second',
    perform: (act, rest) =>
      act.speak(Array.from({ length: number(rest, 20) }, (_, n) => `${n + 1} `).join(''), 200),
  },
  long: {
    takes: 'N',
    does: 'a long answer, about 4,300 characters for each N',
    perform: (act, rest) =>
      act.speak('All work and no play makes a long answer. '.repeat(number(rest, 1) * 100)),
  },
  retract: {
    takes: 'TEXT',
    does: 'says something, takes it back, and answers TEXT',
    async perform(act, rest) {
      const block = await act.speak('This was not meant.')
      act.boards.emit({ type: 'text.reset', block })
      await act.speak(rest)
    },
  },
  think: {
    takes: 'TEXT',
    does: 'shows that it thinks',
    perform: (act, rest) => act.boards.emit({ type: 'thinking', delta: rest }),
  },
  wait: {
    takes: 'MS',
    does: 'does nothing for so long',
    perform: (act, rest) => act.pause(number(rest, 1000)),
  },
  tool: {
    takes: 'TITLE',
    does: 'shows a tool that runs and completes',
    perform: (act, rest) => act.tool(rest === '' ? 'ls' : rest, async () => true),
  },
  plan: { does: 'shows a plan of three steps and goes through it', perform: showPlan },
  notice: {
    takes: 'TEXT',
    does: 'a word beside the answer',
    perform: (act, rest) => act.boards.emit({ type: 'notice', message: rest }),
  },
  permission: {
    takes: 'COMMAND',
    does: 'asks for leave; runs nothing either way',
    perform: askLeave,
  },
  withdraw: {
    takes: 'MS',
    does: 'asks for leave and takes the request back after so long',
    perform: (act, rest) => act.withdraw('rm -rf ./build', number(rest, 300)),
  },
  ask: {
    takes: 'TEXT|A|B',
    does: 'asks a question with options; an answer in your own words is as good',
    perform: (act, rest) => ask(act, [questionOf(rest === '' ? 'Tea or coffee?|Tea|Coffee' : rest)]),
  },
  ask2: {
    does: 'asks two questions, the second with several answers',
    perform: (act) =>
      ask(act, [
        { ...questionOf('Tea or coffee?|Tea|Coffee'), multiple: false },
        { ...questionOf('What with it?|Milk|Sugar|Cake'), multiple: true },
      ]),
  },
  buttons: {
    takes: 'A|B|C',
    does: 'ends its answer with buttons',
    perform: (act, rest) =>
      act.speak(
        `Choose one.\n\n${(rest === '' ? 'Yes|No' : rest)
          .split('|')
          .map((label) => `[button:${label.trim()}]`)
          .join(' ')}`,
      ),
  },
  file: {
    takes: 'NAME KB',
    does: 'writes a file (of at least that size) into the workspace and sends it; a .png is a picture',
    perform: sendFile,
  },
  run: {
    takes: 'COMMAND',
    does: 'asks for leave and runs it, only where DUCTOR_DEMO_SHELL is 1',
    perform: runCommand,
  },
  background: {
    takes: 'S STEP',
    does: 'answers, and does STEP (or says a word) by itself after S seconds',
    async perform(act, rest) {
      const [, seconds = '', step = ''] = /^([\d.]*)\s*([\s\S]*)$/.exec(rest) ?? []
      act.boards.later(number(seconds, 2) * 1000, step === '' ? 'say: The background work is done.' : step)
      await act.speak('That goes on in the background.')
    },
  },
  unsteerable: {
    does: 'from here on no message can be put into the turn',
    perform(act) {
      act.steerable = false
    },
  },
  usage: {
    does: 'tells at the end what the turn used',
    perform(act) {
      const usage = {
        inputTokens: 1200,
        outputTokens: 345,
        costUsd: 0.0123,
        contextTokens: 24_000,
        contextWindow: 200_000,
      }
      act.ending = { ...act.ending, usage }
    },
  },
  history: {
    does: 'how many prompts the session has had',
    perform: (act) => act.speak(`prompts: ${act.boards.session.prompts}`),
  },
  'model?': { does: 'the model', perform: (act) => act.speak(act.boards.prompt.model ?? 'none') },
  'effort?': { does: 'how hard it thinks', perform: (act) => act.speak(act.boards.prompt.effort ?? 'none') },
  'mode?': { does: 'the permission mode', perform: (act) => act.speak(act.boards.prompt.permissionMode) },
  'session?': { does: 'the name of the session', perform: (act) => act.speak(act.boards.session.id) },
  'cwd?': { does: 'the folder that it works in', perform: (act) => act.speak(process.cwd()) },
  'instructions?': {
    does: 'what it was told at the beginning of the session',
    perform: (act) => act.speak(act.boards.session.instructions ?? 'none'),
  },
  'attachments?': { does: 'the files that came with the message', perform: listAttachments },
  refuse: { does: 'ends the turn with a refusal', perform: (act) => end(act, { stop: 'refusal' }) },
  limit: {
    does: 'ends the turn at a limit',
    perform: (act) => end(act, { stop: 'limit', error: 'The demo agent reached its limit of turns.' }),
  },
  fail: {
    takes: 'TEXT',
    does: 'ends the turn with a failure',
    perform: (act, rest) =>
      end(act, { stop: 'failed', error: rest === '' ? 'The demo agent was asked to fail.' : rest }),
  },
  garbage: {
    does: 'writes a line that makes no sense',
    perform: () => void process.stdout.write('{"type":"wor\n'),
  },
  hang: {
    does: 'hears nothing any more, not even that it should stop',
    perform: () => new Promise(() => {}),
  },
  crash: {
    does: 'ends with exit code 3 and a line on standard error',
    perform() {
      process.stderr.write('the demo agent was asked to crash\n')
      process.exit(3)
    },
  },
  words: { does: 'lists all of these', perform: (act) => act.speak(allWords()) },
}

/** Performs one step: a word that is known, or else what was said is repeated. */
export async function perform(act: Act, step: string): Promise<void> {
  const [, word = '', rest = ''] = /^(\w+\??):?\s*([\s\S]*)$/.exec(step) ?? []
  const known = Object.hasOwn(steps, word.toLowerCase()) ? steps[word.toLowerCase()] : undefined
  if (known !== undefined) return void (await known.perform(act, rest))
  const { prompts } = act.boards.session
  await act.speak(prompts === 1 ? introduction : `You said: ${step}\n\n(Message ${prompts} of this session.)`)
}

/** The steps that `README.md` lists. */
export function allWords(): string {
  const rows = Object.entries(steps).map(([word, { takes, does }]) => {
    const usage = takes === undefined ? word : `${word} ${takes}`
    return `| \`${usage.replaceAll('|', String.raw`\|`)}\` | ${does} |`
  })
  return ['| step | does |', '| --- | --- |', ...rows].join('\n')
}

async function showPlan(act: Act): Promise<void> {
  const texts = ['Look around', 'Make the change', 'Try it out']
  for (let done = 0; done <= texts.length && !act.cancelled; done += 1) {
    act.boards.emit({
      type: 'plan',
      entries: texts.map((text, index) => ({
        text,
        status: index < done ? 'completed' : index === done ? 'in_progress' : 'pending',
      })),
    })
    if (done < texts.length) await act.pause(300)
  }
  await act.speak('The plan is done.')
}

async function askLeave(act: Act, rest: string): Promise<void> {
  const command = rest === '' ? 'rm -rf ./build' : rest
  const allowed = await act.leave(command)
  await act.speak(allowed ? `You allowed \`${command}\`. (Nothing was run: this is a demo.)` : 'Then not.')
}

async function ask(act: Act, questions: Parameters<Act['ask']>[0]): Promise<void> {
  const answers = await act.ask(questions)
  await act.speak(`You answered: ${answers.map((chosen) => chosen.join(', ')).join('; ')}.`)
}

function questionOf(text: string) {
  const [question = '', ...labels] = text.split('|').map((piece) => piece.trim())
  return { text: question, options: labels.map((label) => ({ label })), multiple: false }
}

async function sendFile(act: Act, rest: string): Promise<void> {
  const [, name = '', size = ''] = /^(.*?)(?:\s+(\d+))?$/.exec(rest) ?? []
  const path = join(process.cwd(), basename(name) || 'hello.txt')
  const text = 'The demo agent wrote this.\n'
  const content = path.endsWith('.png') ? picture(320, 180) : Buffer.from(text)
  const bytes = number(size, 0) * 1024
  await act.tool(`Write ${basename(path)}`, async () => {
    writeFileSync(
      path,
      bytes > content.length ? Buffer.concat([content, Buffer.alloc(bytes - content.length)]) : content,
    )
    return true
  })
  await act.speak(`Here it is.\n\n<file:${path}>`)
}

async function runCommand(act: Act, command: string): Promise<void> {
  if (!shell) return void (await act.speak('The demo agent runs nothing here.'))
  await act.tool(command, async () => {
    if (!(await act.leave(command))) return false
    const child = spawn('/bin/sh', ['-c', command], { detached: true, stdio: 'ignore' })
    const kill = () => {
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
    }
    act.signal.addEventListener('abort', kill)
    const [code] = await once(child, 'exit')
    act.signal.removeEventListener('abort', kill)
    return code === 0
  })
  await act.speak('Done.')
}

async function listAttachments(act: Act): Promise<void> {
  const lines = act.boards.prompt.attachments.map(
    ({ kind, name, mimeType, size, path }) =>
      `- ${kind} \`${name}\` (${mimeType}, ${size ?? '?'} bytes) at \`${path ?? 'nowhere'}\``,
  )
  await act.speak(lines.length === 0 ? 'none' : lines.join('\n'))
}

function end(act: Act, ending: Act['ending']): void {
  act.ending = { ...act.ending, ...ending }
}

function number(text: string, otherwise: number): number {
  return Number(text) || (text.trim() === '0' ? 0 : otherwise)
}
