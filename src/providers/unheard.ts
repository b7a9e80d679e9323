import { gist } from '../core/gist.ts'
import type { TurnEvent } from '../core/provider.ts'

/** Said where a message was put into a turn that ended before the agent had begun with it. */
export function unheard(words: string): Extract<TurnEvent, { type: 'notice' }> {
  return {
    type: 'notice',
    message: `What was put in was not taken up: “${gist(words, 200)}”. Send it again if it still holds.`,
  }
}
