import type { Log } from './define.ts'
import type { Ledger } from './outbox-ledger.ts'
import { doubtfulPost, operation, type CallStep, type Shown } from './outbox-step.ts'
import type { Store } from './store.ts'
import { DeliveryError, type MessageRef, type Transport } from './transport.ts'

export interface CallDeps {
  readonly store: Store
  readonly ledger: Ledger
  readonly log: Log
  /** Writes until the disk takes it. */
  readonly keep: <T>(write: () => T) => Promise<T>
  /** Aborted: ductor ends, and nothing more is written. */
  readonly signal: AbortSignal
}

/**
 * What a call means for its chat. `unanswered`: the network could not be reached, or nobody knows whether it was.
 * `given up`: this publication will never be seen. `restMs`: the network wants to be left alone for so long.
 */
export type Outcome = 'answered' | 'unanswered' | 'given up' | { readonly restMs: number }

/** Makes the call that a step asks for, and writes down what became of it. */
export async function call(
  shown: Shown,
  step: CallStep,
  transport: Transport,
  deps: CallDeps,
): Promise<Outcome> {
  const { ledger, keep, signal } = deps
  const { publication } = shown
  let ref: MessageRef
  /** Is this the only attempt at a post that can have been carried out? */
  let isFirst = false
  try {
    if (step.do !== 'edit' && (await find(shown, step.index, transport, deps))) return 'answered'
    if (step.do === 'delete' && step.post.ref === undefined) {
      await keep(() => ledger.forget(shown, step.index))
      return 'answered'
    }
    isFirst = doubtfulPost(shown, step.index) === undefined
    await keep(() => ledger.begin(shown, step, transport))
    ref = await transport.deliver(operation(publication, step), signal)
  } catch (error) {
    if (signal.aborted) return 'unanswered'
    return keep(() => {
      if (isFirst && wasNotCarriedOut(error) && step.do === 'post' && !transport.dropsDoubles) {
        ledger.unbegin(shown, step)
      }
      return failed(shown, step, error, transport, deps)
    })
  }
  await keep(() => ledger.done(shown, publication, step, ref))
  return 'answered'
}

/** Did a post whose fate was unknown arrive? Then it is known from now on, and need not be made again. */
async function find(
  shown: Shown,
  index: number,
  transport: Transport,
  { store, ledger, keep, signal }: CallDeps,
): Promise<boolean> {
  const doubtful = doubtfulPost(shown, index)
  if (doubtful === undefined || transport.dropsDoubles || transport.find === undefined) return false
  const { publication } = shown
  const post = operation(publication, { do: 'post', ...doubtful })
  const others = store.refsInChatOf(publication.place.key)
  const ref = await transport.find(post, others, signal).catch((error: unknown) => {
    const failure = error instanceof DeliveryError ? error.failure : 'unknown'
    // Whoever may not look may not post either, and is told so then.
    if (failure === 'rejected') return undefined
    throw failure === 'rate-limited' ? error : inDoubt(error)
  })
  if (ref === undefined) return false
  await keep(() => ledger.found(shown, doubtful, ref))
  return true
}

function wasNotCarriedOut(error: unknown): boolean {
  return (
    error instanceof DeliveryError && (error.failure === 'unreachable' || error.failure === 'rate-limited')
  )
}

function failed(
  shown: Shown,
  step: CallStep,
  error: unknown,
  transport: Transport,
  { ledger, log }: CallDeps,
): Outcome {
  const { place, turn, final } = shown.publication
  const failure = error instanceof DeliveryError ? error.failure : 'rejected'
  const reason = reasonOf(error)
  const facts = { place: place.key, turn, failure, reason, call: step.do }
  // To rest is the usual way of a busy chat.
  if (failure === 'rate-limited') log.debug(facts, 'a delivery waits')
  else log.warn(facts, 'a delivery failed')
  switch (failure) {
    case 'rate-limited':
      return { restMs: (error instanceof DeliveryError ? error.retryAfterMs : undefined) ?? 1000 }
    case 'unreachable':
      return 'unanswered'
    case 'unknown':
      ledger.note(shown, 'doubtful', reason)
      // Progress would rather go missing than come twice; unless it can be found out.
      shown.blocked = !final && transport.find === undefined
      return 'unanswered'
    case 'gone':
      if (step.do === 'delete') ledger.forget(shown, step.index)
      else if (final && step.do === 'edit') ledger.postAnew(shown, step.post)
      else shown.blocked = true
      return 'answered'
    case 'rejected':
      return refused(shown, step, reason, ledger)
  }
}

/** What cannot be changed any more is said anew: an answer is never lost because an edit failed. */
function refused(shown: Shown, step: CallStep, reason: string, ledger: Ledger): Outcome {
  if (!shown.publication.final) shown.blocked = true
  else if (step.do === 'edit') ledger.postAnew(shown, step.post)
  else if (step.do === 'delete') ledger.forget(shown, step.index)
  else {
    ledger.bury(shown, reason)
    return 'given up'
  }
  return 'answered'
}

/** Whatever went wrong while looking, the post stays in doubt. */
function inDoubt(error: unknown): DeliveryError {
  return new DeliveryError('unknown', reasonOf(error), { cause: error })
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
