// The demo agent: a program of its own, so that everything around an agent is real but the thinking.
// Arguments: the folder of its sessions; then `--talk ID` to go on with a session in a terminal.
import { randomUUID } from 'node:crypto'
import { appendFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { linesOf } from '../json-lines.ts'
import { Act } from './act.ts'
import { request, type Event, type Prompt, type Reply, type Request } from './protocol.ts'
import { readSession, writeSession, type Session } from './sessions.ts'
import { perform } from './steps.ts'

const [, , folder = '.', talk, talkSession] = process.argv
const journal = process.env['DUCTOR_DEMO_JOURNAL']
/** What was allowed for the rest of a session, by its id. */
const allowed = new Map<string, Set<string>>()
/** Those that run or wait to run. */
const acts = new Map<string, Act>()
/** One at a time, in their order. */
let queue = Promise.resolve()
let lastSession: Session | undefined

function say(reply: Reply): void {
  if (talk === undefined) process.stdout.write(`${JSON.stringify(reply)}\n`)
  else if (reply.type === 'event' && reply.event.type === 'text') process.stdout.write(reply.event.delta)
  else if (reply.type === 'event' && reply.event.type === 'turn.ended') process.stdout.write('\n> ')
}

/** A line for each prompt that was begun, answered its first word, and was finished: for whoever counts or times them. */
function note(event: string, text: string): void {
  if (journal === undefined) return
  const at = performance.timeOrigin + performance.now()
  appendFileSync(journal, `${JSON.stringify({ event, text, at })}\n`)
}

/** The session that the prompt goes on with, or a new one; with this prompt counted. */
function sessionOf(prompt: Prompt, emit: (event: Event) => void): Session {
  const known = prompt.session === undefined ? undefined : readSession(folder, prompt.session)
  const { instructions } = known ?? prompt
  const session: Session = {
    id: known?.id ?? randomUUID(),
    cwd: process.cwd(),
    title: known?.title ?? prompt.text.trim().slice(0, 60),
    prompts: (known?.prompts ?? 0) + 1,
    updatedAt: Date.now(),
    ...(instructions === undefined ? {} : { instructions }),
  }
  writeSession(folder, session)
  if (prompt.session !== undefined && known === undefined)
    emit({
      type: 'notice',
      message: 'The demo agent does not know the earlier session any more; this is the start of a new one.',
    })
  emit({ type: 'session.started', sessionId: session.id })
  return session
}

function allowedIn({ id }: Session, { granted }: Prompt): Set<string> {
  const commands = allowed.get(id) ?? new Set()
  for (const command of granted) commands.add(command)
  allowed.set(id, commands)
  return commands
}

/** A turn takes its place in the queue; it can be cancelled from now on. */
function enqueue(prompt: Prompt, unprompted: boolean): void {
  const emit = (event: Event) => say({ type: 'event', turn: prompt.turn, event })
  const noteOnce = (event: string) => {
    if (!unprompted && !noted.has(event)) note(event, prompt.text)
    noted.add(event)
  }
  const noted = new Set<string>()
  noteOnce('begun')
  const session = unprompted && lastSession !== undefined ? lastSession : sessionOf(prompt, emit)
  lastSession = session
  const act = new Act({
    prompt,
    session,
    remembered: allowedIn(session, prompt),
    emit,
    spoke: () => noteOnce('spoke'),
    later: (ms, script) => void sleep(ms).then(() => enqueue(ownPrompt(prompt, script), true)),
  })
  acts.set(prompt.turn, act)
  queue = inTurn(queue, async () => {
    if (unprompted) say({ type: 'begun', turn: prompt.turn })
    for (const step of act.steps()) await perform(act, step)
    noteOnce('finished')
    acts.delete(prompt.turn)
    emit({ type: 'turn.ended', ...act.ending, ...(act.cancelled ? { stop: 'cancelled' } : {}) })
  })
}

async function inTurn(before: Promise<void>, work: () => Promise<void>): Promise<void> {
  await before
  await work()
}

function ownPrompt(before: Prompt, text: string): Prompt {
  return { ...before, turn: randomUUID(), text, attachments: [] }
}

function meet(message: Request): void {
  if (message.type === 'prompt') return enqueue(message, false)
  const act = acts.get(message.turn)
  switch (message.type) {
    case 'answer':
      return act?.permit(message.id, message)
    case 'reply':
      return act?.reply(message.id, message.answers)
    case 'cancel':
      return act?.cancel()
    case 'steer': {
      const outcome = act === undefined ? 'over' : act.steerable ? 'taken' : 'unsupported'
      if (outcome === 'taken') act?.steer(message.text)
      return say({ type: 'steered', id: message.id, outcome })
    }
  }
}

function talkOf(text: string): Prompt {
  const session = lastSession?.id ?? talkSession
  return {
    type: 'prompt',
    turn: randomUUID(),
    text,
    attachments: [],
    permissionMode: 'readOnly',
    granted: [],
    ...(session === undefined ? {} : { session }),
  }
}

if (talk !== undefined) process.stdout.write('The demo agent. Ctrl-D ends it.\n> ')
for await (const line of linesOf(process.stdin)) {
  if (line.type !== 'line') continue
  if (talk === undefined) meet(request.parse(JSON.parse(line.text)))
  else enqueue(talkOf(line.text), false)
}
// Whoever started us is gone; in a terminal, what was begun is finished first.
if (talk !== undefined) await queue
process.exit(0)
