import { quote } from '../lib/shell-quote.ts'
import { browse } from './browse.ts'
import type { Agents, CommandAnswer, Control, ConversationStatus, Stopped } from './command.ts'
import type { Conversation } from './conversation.ts'
import type { Flow } from './flow.ts'
import { gist } from './gist.ts'
import type { Message, Place } from './message.ts'
import type { ModelList, SessionSummary, Steered } from './provider.ts'
import { queueKey } from './queue-notice.ts'
import { steerIn } from './steering.ts'
import type { StrandRow, TraceLine } from './store.ts'
import { UserError } from './user-error.ts'

/** What commands need of the whole installation. */
export interface Installation {
  readonly uptimeMs: () => number
  readonly warnings: () => readonly string[]
  readonly memory: () => Promise<string | undefined>
  readonly diagnose: () => Promise<{ readonly facts: readonly string[]; readonly log: readonly string[] }>
  readonly agents?: Agents
  /** False: nothing would start it again. */
  readonly restart: (place: Place) => Promise<boolean>
}

const lookMs = 20_000
const mostStrands = 20
const strandName = /^[a-z0-9][a-z0-9_-]{0,31}$/

/** What a chat command can do in one place, for one session of it. */
export class PlaceControl implements Control {
  readonly strand: string
  readonly #flow: Flow
  readonly #place: Place
  /** The message that the command came in; undefined for a menu that was pressed. */
  readonly #message: { readonly seq: number; readonly message: Message } | undefined
  readonly #installation: Installation | undefined

  constructor(
    flow: Flow,
    place: Place,
    strand: string,
    message?: { readonly seq: number; readonly message: Message },
    installation?: Installation,
  ) {
    this.strand = strand
    this.#flow = flow
    this.#place = place
    this.#message = message
    this.#installation = installation
  }

  get providers(): readonly string[] {
    return [...this.#flow.agent.providers.keys()]
  }

  get agents(): Agents | undefined {
    return this.#installation?.agents
  }

  async stop(strand?: string): Promise<Stopped> {
    // First what waits, or it would start the moment the running turn has ended.
    const dropped = await this.#flow.keep(() => this.#dropQueue(strand))
    const concerned = this.#flow
      .conversations(this.#place)
      .filter((one) => strand === undefined || one.strand === strand)
    const ended = await Promise.all(concerned.map((one) => one.stop()))
    return { stopped: ended.filter(Boolean).length, dropped }
  }

  async interrupt(): Promise<'interrupted' | 'stopped' | 'idle'> {
    const { running } = this.#conversation
    if (running === undefined) return 'idle'
    if (await running.interrupt()) {
      await running.ended
      return 'interrupted'
    }
    await running.stop()
    return 'stopped'
  }

  async now(text: string): Promise<Steered | 'run'> {
    const own = this.#message
    if (own === undefined) return 'over'
    const message: Message = { ...own.message, text }
    const steered = await steerIn(this.#flow, this.#conversation, { seq: own.seq, message })
    if (steered === 'taken') return steered
    const { store } = this.#flow
    if (store.inboundBySeq(own.seq)?.state === 'cancelled') return 'over'
    await this.#flow.keep(() =>
      store.transaction(() => this.#flow.enqueue({ ...message, id: `now/${own.message.id}` }, this.strand)),
    )
    return steered === 'unsupported' ? steered : 'run'
  }

  async fresh(): Promise<void> {
    const { providerName, provider } = this.#conversation.chosen
    await provider.release?.(this.#place, this.strand)
    await this.#flow.keep(() =>
      this.#flow.store.setSession(this.#place, this.strand, providerName, undefined),
    )
  }

  status(): ConversationStatus {
    const { store, agent } = this.#flow
    const conversation = this.#conversation
    const { providerName, model, effort } = conversation.chosen
    const since = conversation.running?.startedAt
    return {
      strand: this.strand,
      provider: providerName,
      model,
      effort,
      session: store.session(this.#place.key, this.strand, providerName),
      granted: store.grants(this.#place.key, this.strand, providerName).map(({ says }) => says),
      runningMs: since === undefined ? undefined : this.#flow.now() - since,
      crowdedOut: conversation.crowdedOut,
      asked: conversation.running?.asks.waiting ?? 0,
      queued: store.inboundsIn('queued', this.#place.key, this.strand).length,
      workspace: agent.workspace,
      uptimeMs: this.#installation?.uptimeMs() ?? 0,
      warnings: this.#installation?.warnings() ?? [],
    }
  }

  queue(): readonly { readonly seq: number; readonly text: string; readonly strand: string }[] {
    return this.#flow.store.inboundsIn('queued', this.#place.key).map(({ seq, inbound, strand }) => ({
      seq,
      strand,
      text: 'text' in inbound ? gist(inbound.text) : '',
    }))
  }

  strands(): readonly (StrandRow & { readonly running: boolean; readonly queued: number })[] {
    const { store } = this.#flow
    return store.strands(this.#place.key).map((row) => ({
      ...row,
      running: this.#flow
        .conversations(this.#place)
        .some(({ strand, running }) => strand === row.name && running !== undefined),
      queued: store.inboundsIn('queued', this.#place.key, row.name).length,
    }))
  }

  async run(strand: string, prompt: string): Promise<void> {
    const own = this.#message
    if (own === undefined) return
    const name = strand.toLowerCase()
    if (!strandName.test(name))
      throw new UserError(
        'A session’s name is made of letters, digits, - and _, and has at most 32 of them, such as “docs”.',
      )
    const { store } = this.#flow
    const known = store.strand(this.#place.key, name)
    if (known === undefined && store.strands(this.#place.key).length >= mostStrands)
      throw new UserError(`There are ${mostStrands} sessions in this chat already. End one first: /sessions.`)
    const now = this.#flow.now()
    const row = known ?? { name, gist: gist(prompt, 60), madeAt: now }
    const { replyTo: _, ...message } = own.message
    await this.#flow.keep(() =>
      store.transaction(() => {
        store.saveStrand(this.#place, { ...row, usedAt: now })
        this.#flow.enqueue({ ...message, id: `session/${message.id}`, text: prompt }, name)
      }),
    )
  }

  async endStrand(name: string): Promise<boolean> {
    const strand = name.toLowerCase()
    const { store } = this.#flow
    if (store.strand(this.#place.key, strand) === undefined) return false
    await this.stop(strand)
    await this.#flow.conversation(this.#place, strand).chosen.provider.release?.(this.#place, strand)
    await this.#flow.keep(() => store.removeStrand(this.#place.key, strand))
    return true
  }

  async models(name?: string): Promise<ModelList | undefined> {
    const provider = name === undefined ? this.#conversation.chosen.provider : this.#provider(name)
    return provider.models?.(AbortSignal.timeout(lookMs))
  }

  async choose({
    provider,
    model,
    effort,
  }: {
    provider?: string
    model?: string
    effort?: string
  }): Promise<void> {
    const { store } = this.#flow
    if (provider !== undefined) this.#provider(provider)
    const now = this.#flow.now()
    const { key } = this.#place
    await this.#flow.keep(() => {
      const {
        name,
        madeAt,
        gist: about,
      } = store.strand(key, this.strand) ?? { name: this.strand, madeAt: now }
      store.saveStrand(this.#place, {
        name,
        madeAt,
        usedAt: now,
        ...(about === undefined ? {} : { gist: about }),
        ...(provider === undefined ? {} : { provider }),
        ...(model === undefined ? {} : { model }),
        ...(effort === undefined ? {} : { effort }),
      })
    })
  }

  async sessions(): Promise<readonly SessionSummary[] | undefined> {
    const { provider } = this.#conversation.chosen
    return provider.sessions?.(this.#flow.agent.workspace, AbortSignal.timeout(lookMs))
  }

  async resume(session: string): Promise<void> {
    const { provider, providerName } = this.#conversation.chosen
    await provider.release?.(this.#place, this.strand)
    await this.#flow.keep(() => this.#flow.store.setSession(this.#place, this.strand, providerName, session))
  }

  async handoff(): Promise<string | undefined> {
    const { workspace } = this.#flow.agent
    const { provider, providerName } = this.#conversation.chosen
    const session = this.#flow.store.session(this.#place.key, this.strand, providerName)
    const command = session === undefined ? undefined : provider.handoff?.(session.id, workspace)
    if (command === undefined) return undefined
    if (this.#conversation.running !== undefined)
      throw new UserError('A turn is running: wait until it has ended, or /stop it, and ask again.')
    await provider.release?.(this.#place, this.strand)
    return `cd ${quote(workspace)} && ${command.map(quote).join(' ')}`
  }

  memory(): Promise<string | undefined> {
    return this.#installation?.memory() ?? Promise.resolve(undefined)
  }

  browse(path: string): Promise<CommandAnswer> {
    return browse(this.#flow.agent, path)
  }

  trace(messageId: string): readonly TraceLine[] {
    return this.#flow.store.trace(`${this.#place.key}/${messageId}`)
  }

  async diagnose(): Promise<{ readonly facts: readonly string[]; readonly log: readonly string[] }> {
    return (await this.#installation?.diagnose()) ?? { facts: [], log: [] }
  }

  async restart(): Promise<'begins' | 'done' | 'impossible'> {
    const row = this.#message === undefined ? undefined : this.#flow.store.inboundBySeq(this.#message.seq)
    // A crash before its answer was written down brings the command again: what it asked for has happened since.
    if ((row?.attempts ?? 0) > 1) return 'done'
    return (await this.#installation?.restart(this.#place)) === true ? 'begins' : 'impossible'
  }

  get #conversation(): Conversation {
    return this.#flow.conversation(this.#place, this.strand)
  }

  #provider(name: string) {
    const provider = this.#flow.agent.providers.get(name)
    if (provider !== undefined) return provider
    throw new UserError(`There is no provider “${name}” here; there are ${this.providers.join(', ')}.`)
  }

  /** Drops what was written before the command; what was written after it stays. */
  #dropQueue(strand: string | undefined): number {
    const { store, notices, transports } = this.#flow
    const before = this.#message?.seq ?? Number.POSITIVE_INFINITY
    const dropped = store.transaction(() => {
      // Also what waits to be carried out, behind a command that is still at work: it may begin a turn.
      const errands = store
        .inboundsIn('pending', this.#place.key, strand)
        .filter(({ attempts }) => attempts === 0)
      const queued = store.inboundsIn('queued', this.#place.key, strand)
      const rows = [...queued, ...errands].filter(({ seq }) => seq < before)
      for (const { seq } of rows) {
        store.setInboxState(seq, 'cancelled')
        store.note({ seq }, 'cancelled', 'by a command')
        notices.withdraw(queueKey(seq), this.#place)
      }
      return rows.map(({ inbound }) => inbound)
    })
    for (const inbound of dropped) {
      if (inbound.kind !== 'press') continue
      const told = transports
        .get(inbound.place.transport)
        ?.answerPress?.(inbound, 'Stopped before it was done.')
      void told?.catch(() => {
        // Too late for the network; the choice can still be pressed.
      })
    }
    return dropped.filter(({ kind }) => kind === 'message').length
  }
}
