import type { Agent } from './agent.ts'
import type { Conversation } from './conversation.ts'
import type { Log } from './define.ts'
import type { Message, Place } from './message.ts'
import type { Notices } from './notices.ts'
import type { Store } from './store.ts'
import type { Transport } from './transport.ts'

/** What the parts of the flow see of it. */
export interface Flow {
  readonly store: Store
  readonly notices: Notices
  readonly transports: ReadonlyMap<string, Transport>
  readonly agent: Agent
  readonly log: Log
  now(): number
  /** Writes until the disk takes it. */
  keep<T>(write: () => T): Promise<T>
  conversation(place: Place, strand: string): Conversation
  /** Those of the place that are there now, the main one first. */
  conversations(place: Place): readonly Conversation[]
  /** Takes a message as if it had been heard. */
  hear(message: Message): Promise<void>
  /** Puts an event of our own in the queue, as if the person had written it. Call within a transaction. */
  enqueue(message: Message, strand: string): void
  /** Looks for something to run, when the transaction that is under way has been committed. */
  wakeSoon(place: Place, strand: string): void
}
