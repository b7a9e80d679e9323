import type { Message, Place } from './message.ts'
import type { Notices } from './notices.ts'
import type { PermissionAnswer } from './provider.ts'
import type { Store } from './store.ts'
import type { Transport } from './transport.ts'

/** What the parts of the flow see of it. */
export interface Flow {
  readonly store: Store
  readonly notices: Notices
  readonly transports: ReadonlyMap<string, Transport>
  readonly providerName: string
  /** Older messages are not run without asking. */
  readonly backlogMaxAgeMs: number
  now(): number
  /** Writes until the disk takes it. */
  keep<T>(write: () => T): Promise<T>
  /** Puts an event of our own in the queue, as if the person had written it. Call within a transaction. */
  enqueue(message: Message): void
  /** Looks for something to run in this place, when the transaction that is under way has been committed. */
  wakeSoon(place: Place): void
  /** False: that request waits for no answer any more. */
  permit(place: Place, turn: string, request: string, answer: PermissionAnswer): boolean
}
