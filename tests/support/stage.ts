import { setTimeout as sleep } from 'node:timers/promises'
import type { Policy } from '../../src/core/authorise.ts'
import type { AgentSettings } from '../../src/core/agent.ts'
import type { Log } from '../../src/core/define.ts'
import { commands } from '../../src/commands/index.ts'
import { Gateway } from '../../src/core/gateway.ts'
import type { Inbound, Message, Place, Press } from '../../src/core/message.ts'
import { Outbox } from '../../src/core/outbox.ts'
import type { Provider, Turn, TurnEvent } from '../../src/core/provider.ts'
import type { Content, Intake, Operation, Transport } from '../../src/core/transport.ts'
import { untilStored } from '../../src/core/until-stored.ts'
import type { Part, View } from '../../src/core/view.ts'
import { openDatabase } from '../../src/store/open.ts'
import { sqliteStore, type SqliteStore } from '../../src/store/sqlite-store.ts'
import { eventually } from './eventually.ts'

export const silentLog: Log = { debug() {}, info() {}, warn() {}, error() {} }

export const place: Place = { key: 'tg:1', transport: 'paper', chat: '1' }

let count = 0
/** A message of the owner; each call makes another one. */
export function message(text: string, more: Partial<Message> = {}): Message {
  count += 1
  return {
    kind: 'message',
    id: `event-${count}`,
    messageId: `message-${count}`,
    place,
    sender: { id: 'owner' },
    sentAt: Date.now(),
    group: false,
    addressed: true,
    text,
    ...more,
  }
}

export interface Sheet {
  readonly ref: string
  text: string
  choices: readonly { token: string; label: string }[]
}

/** A chat network on a sheet of paper: each view is one message that is edited. */
export class PaperTransport implements Transport {
  policy: Policy = {
    users: new Set(['owner']),
    rooms: 'everywhere',
    privateChats: 'open',
    mentionOnly: false,
  }
  fetch: NonNullable<Transport['fetch']> = async (attachment) => attachment
  readonly commandPrefixes = ['/']
  ownCommands: NonNullable<Transport['ownCommands']> = []
  readonly choices = 'buttons'
  readonly dropsDoubles: boolean
  readonly sheets: Sheet[] = []
  readonly operations: Operation[] = []
  find?: NonNullable<Transport['find']>
  preview?: NonNullable<Transport['preview']>
  render = renderPaper
  /** Called before each operation is carried out; may throw. */
  before: (operation: Operation) => void = () => {}
  /** Called after each operation was carried out, before it is answered; may throw. */
  after: (operation: Operation) => void = () => {}

  constructor({ dropsDoubles = false } = {}) {
    this.dropsDoubles = dropsDoubles
  }

  async listen(_intake: Intake, signal: AbortSignal): Promise<void> {
    await new Promise((resolve) => signal.addEventListener('abort', resolve))
  }

  async deliver(operation: Operation): Promise<string> {
    this.before(operation)
    this.operations.push(operation)
    const ref = this.#carryOut(operation)
    this.after(operation)
    return ref
  }

  #carryOut(operation: Operation): string {
    if (operation.type === 'post') {
      const ref = `ref-${this.sheets.length + 1}-${operation.key}`
      this.sheets.push({ ref, ...contentOf(operation.content) })
      return ref
    }
    const index = this.sheets.findIndex(({ ref }) => ref === operation.ref)
    if (operation.type === 'delete') this.sheets.splice(index, 1)
    else Object.assign(this.sheets[index] ?? {}, contentOf(operation.content))
    return operation.ref
  }

  get texts(): string[] {
    return this.sheets.map(({ text }) => text)
  }

  /** The token of the newest choice with this label. */
  token(label: string): string | undefined {
    return this.sheets.flatMap(({ choices }) => choices).findLast((choice) => choice.label === label)?.token
  }
}

function renderPaper(view: View): Content[] {
  const text = view.parts.map((part) => lineOf(part)).join('\n')
  return text === '' ? [] : [{ text, choices: view.choices }]
}

function lineOf(part: Part): string {
  switch (part.kind) {
    case 'tool':
      return `[${part.title} ${part.status}]`
    case 'plan':
      return part.entries.map(({ text, status }) => `[${text} ${status}]`).join('')
    case 'file':
      return `[file ${part.name}]`
    case 'text':
    case 'thinking':
    case 'notice':
    case 'code':
    case 'footer':
      return part.text
  }
}

function contentOf(content: Content) {
  return content as { text: string; choices: readonly { token: string; label: string }[] }
}

/** Plays what `script` gives for a prompt; a function in it is awaited. */
export class ScriptedProvider implements Provider {
  readonly turns: Turn[] = []
  readonly answers: unknown[] = []
  script: (turn: Turn, signal: AbortSignal) => (TurnEvent | (() => Promise<unknown>))[] = (turn) => [
    { type: 'text', delta: `echo ${turn.prompt}` },
    { type: 'turn.ended', stop: 'end_turn' },
  ]

  async *run(turn: Turn, signal: AbortSignal): AsyncGenerator<TurnEvent> {
    this.turns.push(turn)
    for (const step of this.script(turn, signal)) {
      if (typeof step !== 'function') {
        yield step
        continue
      }
      await step()
      if (signal.aborted) {
        yield { type: 'turn.ended', stop: 'cancelled' }
        return
      }
    }
  }

  answer(_turn: string, request: string, answer: unknown): boolean {
    this.answers.push([request, answer])
    return true
  }

  reply(_turn: string, question: string, answers: unknown): boolean {
    this.answers.push([question, answers])
    return true
  }
}

/** Resolves when the signal is aborted. */
export function untilAborted(signal: AbortSignal): Promise<unknown> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve(undefined)
    signal.addEventListener('abort', resolve)
  })
}

export interface Stage {
  readonly store: SqliteStore
  readonly outbox: Outbox
  readonly gateway: Gateway
  readonly transport: PaperTransport
  readonly provider: ScriptedProvider
  hear(...batch: Inbound[]): Promise<void>
  /** As if the process had been killed: nothing is closed in good order but the file. */
  kill(): void
}

export interface StageOptions {
  /** The store's file; in memory if left out. */
  readonly path?: string
  readonly transport?: PaperTransport
  readonly provider?: ScriptedProvider
  readonly workspace?: string
  readonly now?: () => number
  readonly settings?: Partial<AgentSettings>
  readonly restart?: () => Promise<boolean>
  /** Further transports beside `paper`. */
  readonly moreTransports?: readonly (readonly [string, Transport])[]
  /** Further providers beside `scripted`. */
  readonly others?: readonly (readonly [string, Provider])[]
}

const usualSettings: AgentSettings = {
  provider: 'scripted',
  permissionMode: 'ask',
  permissionTimeoutMs: 3600_000,
  expiry: { idleMs: Number.POSITIVE_INFINITY, messages: Number.POSITIVE_INFINITY },
  mostTurns: 8,
  fileAccess: 'workspace',
  backlogMaxAgeMs: 3600_000,
  historyMs: 3600_000,
  footer: false,
}

/** The real flow and the real store, between a paper network and a scripted provider. */
export function setStage({
  path = ':memory:',
  transport = new PaperTransport(),
  provider = new ScriptedProvider(),
  workspace = '/',
  now,
  settings = {},
  others = [],
  moreTransports = [],
  restart = async () => false,
}: StageOptions = {}): Stage {
  const store = sqliteStore(openDatabase(path))
  const transports = new Map<string, Transport>([['paper', transport], ...moreTransports])
  const alive = new AbortController()
  const outbox = new Outbox({
    store,
    transports,
    log: silentLog,
    keep: (write, signal) => untilStored(write, { log: silentLog, trouble() {} }, signal),
  })
  const gateway = new Gateway({
    store,
    outbox,
    transports,
    agent: {
      name: 'main',
      home: '/',
      workspace,
      providers: new Map([['scripted', provider], ...others]),
      settings: () => ({ ...usualSettings, ...settings }),
    },
    commands,
    log: silentLog,
    ...(now === undefined ? {} : { now }),
    installation: {
      warnings: () => [],
      memory: async () => undefined,
      diagnose: async () => ({ facts: [], log: [] }),
      restart,
    },
  })
  const intake = gateway.intake('paper', alive.signal)
  return {
    store,
    outbox,
    gateway,
    transport,
    provider,
    hear: (...batch) => intake.take(batch),
    kill() {
      alive.abort()
      store.close()
    },
  }
}

/** Lets everything that is ready to run, run. */
export const breathe = () => sleep(0)

/** Waits until a message of the chat is this text, or has this in it. */
export function shows({ transport }: Stage, text: string | RegExp): Promise<boolean> {
  return eventually(
    () => transport.texts.some((one) => (typeof text === 'string' ? one === text : text.test(one))),
    () => `${text} in ${JSON.stringify(transport.texts)}`,
  )
}

/** The owner presses the newest choice with this label. */
export function press({ transport }: Stage, label: string): Press {
  const token = transport.token(label)
  if (token === undefined) throw new Error(`no choice ${label} in ${JSON.stringify(transport.texts)}`)
  const { messageId: _, text: __, ...base } = message('')
  return { ...base, kind: 'press', pressed: { token } }
}
