import type { Log } from '../../core/define.ts'
import type { PermissionMode, Turn } from '../../core/provider.ts'
import type { AppServer } from './app-server.ts'
import { exitFailure, inUse, said } from './failure.ts'
import { permissionsOf, threadPermissions, withTools } from './permissions.ts'
import { replies } from './wire.ts'

/** What a thread that is loaded was last told, as far as the next turn may have to say it anew. */
export interface Loaded {
  readonly mode: PermissionMode
  /** By which ductor's own tools know the chat that it was loaded for. */
  readonly token: string | undefined
  cwd: string
  /** Is it in Codex' plan mode? Undefined where an earlier process may have left it in either. */
  plan: boolean | undefined
  /** The model that answers; undefined where Codex did not say. */
  model: string | undefined
  /** Was the model chosen by a turn, and not by Codex' own configuration? */
  chosen: boolean
  effort: string | undefined
}

/** `gone`: Codex does not know the session that is to be continued. */
export type Found =
  | { readonly how: 'ready'; readonly threadId: string; readonly loaded: Loaded }
  | { readonly how: 'gone' }
  | { readonly how: 'failed'; readonly sentence: string }

/** An empty rollout is what a full disk or a loss of power leaves of a session. */
const gone = /no rollout found|not found|invalid (session|thread) id|rollout at \S+ is empty/i

/** The threads that one app server has loaded. Nobody else can write in them. */
export class Threads {
  readonly #server: AppServer
  readonly #log: Log
  readonly #isRunning: (threadId: string) => boolean
  /** In the order of their last use. */
  readonly #loaded = new Map<string, Loaded>()
  readonly #leaving = new Map<string, Promise<boolean>>()

  constructor(server: AppServer, log: Log, isRunning: (threadId: string) => boolean) {
    this.#server = server
    this.#log = log
    this.#isRunning = isRunning
  }

  /** The thread that a turn belongs to, loaded so that the agent may do what the turn says. */
  async find(turn: Turn): Promise<Found> {
    const { resume, permissionMode, tools } = turn
    if (resume === undefined) return await this.#load(turn, 'thread/start', beginning(turn))
    await this.#leaving.get(resume)
    const known = this.#loaded.get(resume)
    if (known?.mode === permissionMode && known.token === tools?.token) {
      this.#loaded.delete(resume)
      this.#loaded.set(resume, known)
      return { how: 'ready', threadId: resume, loaded: known }
    }
    // What it may do, and which chat its tools reach, is said when a thread is loaded, and then no more.
    if (known !== undefined && !(await this.free(resume)))
      return { how: 'failed', sentence: 'Codex could not change what it may do here. Send it again.' }
    return await this.#load(turn, 'thread/resume', {
      ...common(turn),
      threadId: resume,
      excludeTurns: true,
    })
  }

  /** What `turn/start` is told beside the prompt. A thread keeps what it was told last, so all that changed is said. */
  async settings(turn: Turn, loaded: Loaded): Promise<object> {
    const { plan } = permissionsOf(turn.permissionMode)
    const usual = await this.#usual(turn, loaded)
    const model = turn.model ?? usual.model
    const effort = turn.effort ?? usual.effort
    // To say the same folder again takes Codex some milliseconds.
    const moved = turn.cwd !== loaded.cwd
    const saysMode = plan || loaded.plan !== plan
    loaded.cwd = turn.cwd
    loaded.plan = plan
    loaded.model = model ?? loaded.model
    loaded.chosen = turn.model !== undefined
    loaded.effort = turn.effort
    return {
      ...(moved ? { cwd: turn.cwd } : {}),
      ...(model === undefined ? {} : { model }),
      ...(effort === undefined ? {} : { effort }),
      // Its settings go before those above, so it has them too.
      ...(loaded.model !== undefined && saysMode
        ? {
            collaborationMode: {
              mode: plan ? 'plan' : 'default',
              settings: {
                model: loaded.model,
                reasoning_effort: effort ?? null,
                developer_instructions: null,
              },
            },
          }
        : {}),
    }
  }

  /** Makes a thread free for another program. False: only the end of the process would. */
  async free(threadId: string): Promise<boolean> {
    const leaving = this.#leaving.get(threadId)
    if (leaving !== undefined) return await leaving
    if (this.#isRunning(threadId)) return false
    if (!this.#loaded.delete(threadId)) return true
    const left = this.#leave(threadId).finally(() => this.#leaving.delete(threadId))
    this.#leaving.set(threadId, left)
    return await left
  }

  /** Lets go of those that were not used for longest, until no more than `most` are loaded. */
  trim(most: number): void {
    const idle = [...this.#loaded.keys()].filter((id) => !this.#isRunning(id))
    for (const id of idle.slice(0, Math.max(0, this.#loaded.size - most))) void this.free(id)
  }

  async #load(turn: Turn, method: string, params: object): Promise<Found> {
    const { resume, cwd, model, permissionMode, tools } = turn
    const reply = await this.#server.request(method, params, replies.thread)
    if (reply.how === 'lost') {
      await this.#server.close()
      return { how: 'failed', sentence: exitFailure(await this.#server.exit, this.#server.stderr) }
    }
    if (reply.how === 'refused') {
      // We let go of it once, and a crash came before the second half.
      const again =
        resume !== undefined && /is archived/i.test(reply.words) && (await this.#unarchive(resume))
      return again ? await this.#load(turn, method, params) : refusal(reply.words, resume)
    }
    const { id } = reply.result.thread
    // A resume that begins anew would lose what was said before without a word.
    if (resume !== undefined && id !== resume) return { how: 'gone' }
    const loaded: Loaded = {
      mode: permissionMode,
      token: tools?.token,
      cwd,
      plan: resume === undefined ? false : undefined,
      model: reply.result.model ?? undefined,
      // The terminal, or an earlier turn, may have chosen another one than the configuration has.
      chosen: resume !== undefined || model !== undefined,
      effort: resume === undefined ? undefined : '',
    }
    this.#loaded.set(id, loaded)
    return { how: 'ready', threadId: id, loaded }
  }

  /** Unsubscribing keeps a thread for its writer. Archiving closes it, and leaves nothing behind when taken back. */
  async #leave(threadId: string): Promise<boolean> {
    const archived = await this.#server.request('thread/archive', { threadId }, replies.anything)
    if (archived.how !== 'done') return false
    const back = await this.#unarchive(threadId)
    if (!back) this.#log.error({ threadId }, 'a codex session stayed archived')
    return back
  }

  async #unarchive(threadId: string): Promise<boolean> {
    return (await this.#server.request('thread/unarchive', { threadId }, replies.anything)).how === 'done'
  }

  /** The person's own configuration, where the thread was told something else before. */
  async #usual(
    turn: Turn,
    loaded: Loaded,
  ): Promise<{ readonly model?: string | undefined; readonly effort?: string | undefined }> {
    const asksModel = turn.model === undefined && loaded.chosen
    const asksEffort = turn.effort === undefined && loaded.effort !== undefined
    if (!asksModel && !asksEffort) return {}
    const config = await this.#server.request('config/read', { cwd: turn.cwd }, replies.config)
    const models = await this.#server.request('model/list', {}, replies.models)
    const own = config.how === 'done' ? config.result.config : {}
    const list = models.how === 'done' ? models.result.data : []
    const model = own.model ?? list.find(({ isDefault }) => isDefault)?.model
    const answering = turn.model ?? model
    const usual = list.find((each) => each.model === answering)?.defaultReasoningEffort
    return {
      ...(asksModel ? { model } : {}),
      ...(asksEffort ? { effort: own.model_reasoning_effort ?? usual ?? undefined } : {}),
    }
  }
}

function beginning(turn: Turn): object {
  return {
    ...common(turn),
    ...(turn.instructions === undefined ? {} : { developerInstructions: turn.instructions }),
  }
}

function common({ cwd, model, permissionMode, tools }: Turn): object {
  return {
    cwd,
    ...withTools(threadPermissions(permissionsOf(permissionMode)), tools),
    ...(model === undefined ? {} : { model }),
  }
}

function refusal(words: string, resume: string | undefined): Found {
  if (resume !== undefined && gone.test(words)) return { how: 'gone' }
  if (/active writer/i.test(words)) return { how: 'failed', sentence: inUse }
  const advice = resume === undefined ? '' : ' Send it again, or send /new to begin another conversation.'
  return { how: 'failed', sentence: `Codex could not begin.${advice}${said(words)}` }
}
