import { commandsOn, parseCommand, type Command, type CommandAnswer } from './command.ts'
import type { Flow } from './flow.ts'
import type { Message, Press } from './message.ts'
import { pressed, typedPress } from './press.ts'
import { PlaceControl, type Installation } from './place-control.ts'
import { setAside } from './set-aside.ts'
import type { InboxRow } from './store.ts'
import { UserError } from './user-error.ts'

export interface CarryOutDeps {
  readonly commands: readonly Command[]
  readonly installation: Installation
}

const mostAttempts = 3
const setAsideWords = 'That could not be done; it was set aside. The log says why.'

/** Carries out a command, a press or an awaited answer that was stored. Never throws what concerns this event alone. */
export async function carryOut(seq: number, flow: Flow, deps: CarryOutDeps): Promise<void> {
  const row = flow.store.inboundBySeq(seq)
  if (row?.state !== 'pending') return
  const attempts = await flow.keep(() => flow.store.countAttempt(seq))
  const giveUp = (why: string) =>
    flow.keep(() => flow.store.transaction(() => setAside([row], { why, words: setAsideWords }, flow)))
  if (attempts > mostAttempts) return giveUp(`ductor ended ${attempts - 1} times while it did this`)
  try {
    const what = await perform(row, flow, deps)
    await flow.keep(() =>
      flow.store.transaction(() => {
        if (flow.store.inboundBySeq(seq)?.state !== 'pending') return
        flow.store.setInboxState(seq, 'done')
        flow.store.note({ seq }, 'carried out', what)
      }),
    )
  } catch (error) {
    flow.log.error({ err: error, place: row.inbound.place.key }, 'a command failed')
    await giveUp(error instanceof Error ? error.message : String(error))
  }
}

/** Gives what it was. */
async function perform(row: InboxRow, flow: Flow, deps: CarryOutDeps): Promise<string> {
  const { inbound, seq } = row
  if (inbound.kind === 'press') {
    await pressed(flow, inbound)
    return 'a press'
  }
  if (inbound.kind !== 'message') return inbound.kind
  const transport = flow.transports.get(inbound.place.transport)
  const prefixes = transport?.commandPrefixes ?? ['/']
  const call = parseCommand(inbound.text, prefixes, commandsOn(transport, deps.commands))
  if (call !== undefined) return command(row, inbound, call, flow, deps)
  if (await takenAsWords(inbound, flow)) return 'an answer in words'
  const typed = typedPress(flow, inbound, row.receivedAt)
  if (typed !== undefined) return asPress(row, typed, flow, deps)
  const stop = deps.commands.find(({ name }) => name === 'stop')
  const runs = flow
    .conversations(inbound.place)
    .some(({ running, crowdedOut }) => running !== undefined || crowdedOut)
  if (stop !== undefined && runs && inbound.text.trim().split(/\s+/).length === 1)
    return command(row, inbound, { command: stop, args: '' }, flow, deps)
  // What it answered is gone: it is a prompt like any other.
  await flow.keep(() =>
    flow.store.transaction(() => {
      flow.store.setInboxState(seq, 'queued')
      flow.store.note({ seq }, 'queued', 'nobody waited for it as an answer')
    }),
  )
  flow.conversation(inbound.place, row.strand).wake()
  return 'a prompt'
}

/** From now on it is a press: after a crash it is neither lost nor, with its choice spent, a prompt. */
async function asPress({ seq, strand }: InboxRow, press: Press, flow: Flow, deps: CarryOutDeps) {
  const { store } = flow
  const what = 'a choice that was typed'
  const next = await flow.keep(() =>
    store.transaction(() => {
      store.setInboxState(seq, 'done')
      store.note({ seq }, 'carried out', what)
      return store.addInbound(press, 'pending', strand)
    }),
  )
  if (next !== undefined) await carryOut(next, flow, deps)
  return what
}

async function takenAsWords({ place, sender, replyTo, text }: Message, flow: Flow): Promise<boolean> {
  const answered =
    replyTo === undefined ? undefined : flow.store.publicationOfPost(place.key, replyTo.messageId)?.key
  for (const { running } of flow.conversations(place))
    if (running?.asks.expects(sender.id, answered) === true)
      return running.asks.takeWords(text, sender.id, answered)
  return false
}

async function command(
  { seq, strand }: InboxRow,
  message: Message,
  { command: called, args }: { readonly command: Command; readonly args: string },
  flow: Flow,
  { commands, installation }: CarryOutDeps,
): Promise<string> {
  const { place } = message
  const control = new PlaceControl(flow, place, strand, { seq, message }, installation)
  const prefix = message.text.slice(0, 1)
  let answer: CommandAnswer
  try {
    if (called.needs === 'owner' && message.group)
      throw new UserError(
        `${prefix}${called.name} concerns the whole installation: write it in a private chat.`,
      )
    const ownCommands = flow.transports.get(place.transport)?.ownCommands ?? []
    const said = await called.run({ message, args, commands, ownCommands, prefix, control })
    answer = typeof said === 'string' ? { text: said } : said
  } catch (error) {
    if (!(error instanceof UserError)) throw error
    answer = { text: error.message }
  }
  if (answer.text !== '')
    await flow.keep(() =>
      flow.notices.say({ key: `reply/${place.transport}/${message.id}`, place, ...answer }),
    )
  return called.name
}
