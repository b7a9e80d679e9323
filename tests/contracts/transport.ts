import type { TransportDeps } from '../../src/core/define.ts'
import type { Place } from '../../src/core/message.ts'
import type { Transport } from '../../src/core/transport.ts'

/** What a transport's own test gives to the suite: its network, real or a fake that keeps the network's laws. */
export interface TransportHarness {
  /** Opens the transport on this network, with what it remembered before in `deps.memory`. */
  open(deps: TransportDeps): Promise<Transport>
  /** Where the owner talks to the bot in private. */
  readonly place: Place
  /** The owner writes there; resolves with the network's id of the message. */
  say(text: string): Promise<string>
  /** What the bot has posted there, as it stands now, oldest first. */
  shown(): Promise<readonly { readonly ref: string; readonly text: string }[]>
  /** The next call of the bot that posts a message meets this. */
  failNext(how: 'rate-limited' | 'refused-connection' | 'lost-answer'): Promise<void>
  stop(): Promise<void>
}
