import { join } from 'node:path'
import type { Policy } from '../../core/authorise.ts'
import type { TransportDeps } from '../../core/define.ts'
import type { Attachment, Inbound, MessageRef, Place, Press } from '../../core/message.ts'
import type {
  Content,
  Intake,
  Mark,
  Operation,
  OwnCommand,
  Post,
  Preview,
  Transport,
} from '../../core/transport.ts'
import type { View } from '../../core/view.ts'
import { removeReceived } from '../received-files.ts'
import { BotApi } from './bot-api.ts'
import { Budget } from './budget.ts'
import { Chats, type Fact } from './chats.ts'
import type { TelegramConfig } from './config.ts'
import { Delivery } from './deliver.ts'
import { Drafts } from './drafts.ts'
import { fetchFile } from './files-in.ts'
import { queryOf } from './inbound.ts'
import { Leaving } from './leaving.ts'
import { Ledger } from './ledger.ts'
import { Marks } from './marks.ts'
import { Poller } from './poller.ts'
import { Presses } from './presses.ts'
import { renderer } from './render.ts'
import { richCommand } from './rich-command.ts'
import { RichRendering } from './rich-render.ts'
import { usualTempo, type Tempo } from './tempo.ts'

/** What is only polite is not worth more time. */
const courtesyMs = 5000
/** Drafts are cheap, but not free. */
const draftPaceMs = 700

export class Telegram implements Transport {
  readonly policy: { -readonly [Key in keyof Policy]: Policy[Key] }
  readonly commandPrefixes = ['/']
  readonly choices = 'buttons'
  readonly dropsDoubles = false
  readonly ownCommands: readonly OwnCommand[]
  readonly render: (view: View, place?: Place) => readonly Content[]
  readonly #config: TelegramConfig
  readonly #deps: TransportDeps
  readonly #now: () => number
  readonly #rooms: Set<string>
  readonly #api: BotApi
  readonly #chats: Chats
  readonly #budget = new Budget()
  readonly #delivery: Delivery
  readonly #drafts: Drafts
  readonly #marks: Marks
  readonly #presses: Presses
  readonly #poller: Poller

  constructor(
    config: TelegramConfig,
    deps: TransportDeps,
    tempo: Tempo = usualTempo,
    now: () => number = Date.now,
  ) {
    const { telegram_token: token, telegram_api_root: root, streaming, scene } = config
    this.#config = config
    this.#deps = deps
    this.#now = now
    this.#chats = new Chats(deps.memory)
    this.#rooms = new Set(config.allowed_group_ids)
    for (const chat of this.#chats.presentOfAll(this.#rooms)) this.#rooms.add(chat)
    this.policy = {
      users: new Set(config.allowed_user_ids),
      rooms: this.#rooms,
      privateChats: 'open',
      mentionOnly: config.group_mention_only,
    }
    const shows = {
      tools: streaming.show_tool_progress,
      thinking: streaming.show_thinking_indicator,
      reasoning: streaming.show_reasoning_stream,
    }
    const text = renderer(shows)
    const rich = new RichRendering(shows, text)
    this.render = (view, place) =>
      place !== undefined && this.#chats.isRich(place.chat) ? rich.render(view) : text(view)
    const ledger = new Ledger(deps.memory)
    const api = new BotApi({ token, root, timeoutMs: tempo.callTimeoutMs })
    const patient = { token, root, timeoutMs: tempo.callTimeoutMs + tempo.pollSeconds * 1000 }
    const learnt = (fact: Fact): void => this.#learnt(fact)
    const shared = { ...deps, api, ledger, now, learnt, chats: this.#chats }
    this.#api = api
    this.#delivery = new Delivery({
      ...shared,
      budget: this.#budget,
      richRefused: (content) => rich.refused(content),
    })
    this.ownCommands = [
      richCommand({
        show: (place, content) =>
          this.#delivery.show(place, content, AbortSignal.timeout(tempo.callTimeoutMs)),
        isOn: (chat) => this.#chats.isRich(chat),
        turn: (chat, on) => deps.memory.remember(this.#chats.learn({ kind: 'rich', chat, on })),
      }),
    ]
    this.#drafts = new Drafts({
      api,
      now,
      streaming: streaming.telegram,
      addressOf: (place) => this.#delivery.addressOf(place),
    })
    this.#marks = new Marks(api, { seen: scene.seen_reaction, status: scene.status_reaction })
    this.#presses = new Presses(api)
    this.#poller = new Poller({
      ...shared,
      commands: [...(deps.commands ?? []), ...this.ownCommands],
      tempo,
      pollApi: new BotApi(patient),
      freshApi: new BotApi({ ...patient, fresh: true }),
      leaving: new Leaving({ ...shared, policy: this.policy, moved: (from, to) => this.#moved(from, to) }),
      coming: (inbound) => this.#coming(inbound),
    })
  }

  /** Takes over who may talk; all else of a changed configuration waits for a restart. */
  reconfigure({
    allowed_user_ids: users,
    allowed_group_ids: groups,
    group_mention_only,
  }: TelegramConfig): void {
    this.policy.users = new Set(users)
    this.policy.mentionOnly = group_mention_only
    this.#rooms.clear()
    for (const group of groups) this.#rooms.add(group)
    for (const chat of this.#chats.presentOfAll(this.#rooms)) this.#rooms.add(chat)
  }

  listen(intake: Intake, signal: AbortSignal): Promise<void> {
    return this.#poller.listen(intake, signal)
  }

  async deliver(operation: Operation, signal: AbortSignal): Promise<MessageRef> {
    const ref = await this.#delivery.deliver(operation, signal)
    if (operation.type === 'post') this.#drafts.ended(operation.place)
    return ref
  }

  find(post: Post, others: ReadonlySet<MessageRef>, signal: AbortSignal): Promise<MessageRef | undefined> {
    return this.#delivery.find(post, others, signal)
  }

  preview(place: Place): Preview | undefined {
    return this.#chats.isReachable(place.chat) === false ? undefined : this.#drafts.in(place)
  }

  /** The port asks for the time between two showings in the chat, whichever turn they belong to. */
  progressPaceMs(place: Place): number {
    const { enabled, edit_interval_seconds: seconds } = this.#config.streaming
    if (!enabled) return Infinity
    if (this.preview(place) !== undefined) return draftPaceMs
    return this.#budget.paceMs(this.#chats.presentOf(place.chat), seconds * 1000, this.#now())
  }

  async typing(place: Place, on: boolean): Promise<void> {
    // It ends by itself after five seconds, or with the next message.
    if (!on) return this.#drafts.close(place)
    const { chat, thread } = this.#delivery.addressOf(place)
    if (this.#chats.isReachable(chat) === false) return
    await Promise.all([
      this.#drafts.renew(place),
      this.#api.call(
        (bot, stop) =>
          bot.sendChatAction(chat, 'typing', thread === undefined ? {} : { message_thread_id: thread }, stop),
        AbortSignal.timeout(courtesyMs),
      ),
    ])
  }

  async mark({ chat }: Place, messageId: string, mark: Mark): Promise<void> {
    if (this.#chats.presentOf(chat) === chat) await this.#marks.set(chat, messageId, mark)
  }

  fetch(attachment: Attachment, _place: Place, signal: AbortSignal): Promise<Attachment> {
    return fetchFile(this.#api, attachment, this.#files, signal)
  }

  prune(before: number): Promise<void> {
    return removeReceived(this.#files, before)
  }

  /** Where what people send is stored. */
  get #files(): string {
    return join(this.#deps.home, 'workspace', 'telegram_files')
  }

  /** The private chat of the first in the list who has one with the bot: it may not begin one itself. */
  ownerPlace(): Place | undefined {
    const owner = this.#config.allowed_user_ids.find((id) => this.#chats.isReachable(id) === true)
    return owner === undefined ? undefined : { key: `tg:${owner}`, transport: 'telegram', chat: owner }
  }

  async answerPress(press: Press, text: string): Promise<void> {
    await this.#presses.answer(queryOf(press.id), text)
  }

  #coming(inbound: Inbound): void {
    if (inbound.kind === 'press') this.#presses.heard(queryOf(inbound.id))
    else if (inbound.id.endsWith(':stop')) this.#drafts.stop(inbound.place)
  }

  #learnt(fact: Fact): void {
    if (fact.kind !== 'moved' || !this.#rooms.has(fact.from)) return
    if (!this.#rooms.has(fact.to)) {
      this.#deps.log.warn(
        { from: fact.from, to: fact.to },
        'a group has become a supergroup: it stays allowed; put its new id into allowed_group_ids',
      )
    }
    this.#rooms.add(fact.to)
  }

  #moved(from: string, to: string): void {
    const fact: Fact = { kind: 'moved', from, to }
    this.#deps.memory.remember(this.#chats.learn(fact))
    this.#learnt(fact)
  }
}
