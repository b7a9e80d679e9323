import { stat } from 'node:fs/promises'
import { setTimeout as pause } from 'node:timers/promises'
import type { Turn, TurnEvent } from '../core/provider.ts'
import { isSignedOut, refusalSentence, type Refusal } from './acp-failure.ts'
import type { AcpHost } from './acp-host.ts'
import type { AcpProcess } from './acp-process.ts'
import type { AcpSession } from './acp-session.ts'
import { readListed, readOpened } from './acp-wire.ts'
import { untilAborted } from './until-aborted.ts'

export const inUse = 'Another conversation uses this session. Wait until it is done.'

/** A session to run the turn in; or why there is none, and whether the agent spoke the protocol at all. */
export type Opening =
  | { readonly session: AcpSession }
  | { readonly error: string; readonly spoke: boolean }
  | 'aborted'

/** The session that a turn belongs to: the warm one, the one that it resumes, or a new one. */
export async function* openSession(
  host: AcpHost,
  turn: Turn,
  signal: AbortSignal,
): AsyncGenerator<TurnEvent, Opening> {
  if (!(await isFolder(turn.cwd)))
    return { error: `The folder ${turn.cwd} does not exist. Make it, or choose another one.`, spoke: true }
  const started = await untilAborted(host.start(turn.cwd), signal)
  if (started === 'aborted') return 'aborted'
  if (!started.ok) return { error: started.sentence, spoke: started.spoke }
  const { process } = started
  if (turn.resume === undefined) return await fresh(host, turn, process, signal)
  const warm = host.session(turn.resume)
  if (warm?.taken === true) return { error: inUse, spoke: true }
  if (warm?.cwd === turn.cwd && warm.token === turn.tools?.token) return { session: warm }
  // It keeps what it was opened with: its folder, and the tools of the chat that it was in.
  if (warm !== undefined && process.abilities.close) await host.release(warm)
  const taken = yield* resume(host, turn, turn.resume, process, signal)
  if (taken !== 'lost') return taken
  const message = `${host.agent.name} no longer has the earlier conversation; this is the start of a new one.`
  yield { type: 'notice', message }
  return await fresh(host, turn, process, signal)
}

async function fresh(host: AcpHost, turn: Turn, process: AcpProcess, signal: AbortSignal): Promise<Opening> {
  const { cwd, tools } = turn
  const mcpServers = mcpServersOf(tools, process)
  const asked = process.request('session/new', { cwd, mcpServers }, host.agent.patience.silenceMs)
  const answer = await untilAborted(asked, signal)
  if (answer === 'aborted') return 'aborted'
  if (!answer.ok) return refused(host, answer.refusal)
  const told = readOpened(answer.result)
  if (told.sessionId === undefined)
    return { error: `${host.agent.name} opened a session without a name.`, spoke: true }
  const session = host.add(told.sessionId, turn, true, process)
  session.opened(told)
  return { session }
}

async function* resume(
  host: AcpHost,
  turn: Turn,
  sessionId: string,
  process: AcpProcess,
  signal: AbortSignal,
): AsyncGenerator<TurnEvent, Opening | 'lost'> {
  const { cwd, tools } = turn
  const { abilities } = process
  const { agent } = host
  if (!abilities.resume && !abilities.load) return 'lost'
  const waitMs = (await agent.loadsIn?.(sessionId)) ?? 0
  if (waitMs > 0) {
    const seconds = Math.ceil(waitMs / 1000)
    const message = `${agent.name} can take up its earlier conversation in ${seconds} seconds; your message waits.`
    yield { type: 'notice', message }
    if ((await untilAborted(pause(waitMs), signal)) === 'aborted') return 'aborted'
  }
  // Before the request, for its history may be told at any time.
  const session = host.add(sessionId, turn, false, process)
  const method = abilities.resume ? 'session/resume' : 'session/load'
  const mcpServers = mcpServersOf(tools, process)
  const asked = process
    .request(method, { sessionId, cwd, mcpServers }, agent.patience.silenceMs)
    // Also where it fails, or nobody waits for it any more: what it leaves behind is there all the same.
    .then(async (answer) => {
      await agent.afterLoad?.(sessionId).catch(() => {
        // It is cleared up after the next load.
      })
      return answer
    })
  const answer = await untilAborted(asked, signal)
  if (answer === 'aborted' || !answer.ok) host.forget(sessionId)
  if (answer === 'aborted') return 'aborted'
  if (!answer.ok) {
    const { refusal } = answer
    if (refusal.how === 'ended' || isSignedOut(refusal)) return refused(host, refusal)
    // Few agents say by their error whether the session is gone, or cannot be had just now.
    const listed = await untilAborted(lists(host, process, { cwd, sessionId }), signal)
    if (listed !== true) return listed === 'aborted' ? listed : 'lost'
    const words = `${refusalSentence(agent, refusal)} The earlier conversation is there still: send it again, or send /new to begin another.`
    return { error: words, spoke: true }
  }
  const told = readOpened(answer.result)
  // It began another one, without a word.
  if (told.sessionId !== undefined && told.sessionId !== sessionId) {
    host.forget(sessionId)
    return 'lost'
  }
  session.opened(told)
  if (!abilities.resume && agent.replaysLate === true) await session.replayed()
  return { session }
}

/** Does the agent still have this session, by its own list? */
async function lists(
  { agent }: AcpHost,
  process: AcpProcess,
  { cwd, sessionId }: { readonly cwd: string; readonly sessionId: string },
): Promise<boolean> {
  if (agent.sessions !== undefined) return (await agent.sessions(cwd)).some(({ id }) => id === sessionId)
  if (!process.abilities.list) return false
  const answer = await process.request('session/list', { cwd }, agent.patience.silenceMs)
  const { sessions = [] } = (answer.ok ? readListed(answer.result) : undefined) ?? {}
  return sessions.some((each) => each.sessionId === sessionId)
}

/** ductor's own tools, in the way that this agent can reach them. */
function mcpServersOf(tools: Turn['tools'], { abilities }: AcpProcess): readonly object[] {
  if (tools === undefined) return []
  const { name, url, token, program } = tools
  if (abilities.httpTools)
    return [{ type: 'http', name, url, headers: [{ name: 'Authorization', value: `Bearer ${token}` }] }]
  const [command, ...args] = program.command
  const env = Object.entries(program.env).map(([variable, value]) => ({ name: variable, value }))
  return [{ name, command, args, env }]
}

function refused({ agent }: AcpHost, refusal: Refusal): Opening {
  return { error: refusalSentence(agent, refusal), spoke: true }
}

async function isFolder(path: string): Promise<boolean> {
  const about = await stat(path).catch(() => undefined)
  return about?.isDirectory() === true
}
