import type { Exit } from './cli-process.ts'

const gistLimit = 500

/** Why a request to an agent failed. */
export type Refusal =
  /** The agent answered with an error. `data`: whatever it added. */
  | { readonly how: 'error'; readonly code: number; readonly message: string; readonly data?: unknown }
  /** It did not answer, and will not any more. */
  | { readonly how: 'ended'; readonly sentence: string }

/** What the sentences need to know of an agent. */
export interface Named {
  /** As people call it. */
  readonly name: string
  /** A sentence: what to do where nobody is signed in. */
  readonly signIn: string
}

const authRequired = -32000
const signedOutWords =
  /unauthenticated|unauthorized|not (?:logged|signed) in|authentication (?:required|failed)|(?:invalid|incorrect|missing) (?:x-)?api[ -_]?key|ProviderAuth/i

/** The sentence for a request that an agent could not carry out. Its own words come along: they may know more. */
export function refusalSentence({ name, signIn }: Named, refusal: Refusal): string {
  if (refusal.how === 'ended') return refusal.sentence
  const words = wordsOf(refusal)
  const own = words === '' ? '' : ` ${name} says: ${gist(words)}`
  if (isSignedOut(refusal)) return `${name} is not signed in, or its key is not accepted. ${signIn}${own}`
  const status = statusOf(refusal)
  if (status === 403) return `This account may not do that. Check its plan and rights.${own}`
  if (status === 404) return `${name} does not know this model. Send /model to choose another.${own}`
  if (status === 429) {
    const wait = waitOf(refusal)
    return `The usage limit is reached. ${wait === undefined ? 'Wait a while, then send it again.' : `Send it again in ${wait}.`}${own}`
  }
  if (status !== undefined && status >= 500)
    return `The model's vendor had an error of its own (${status}). Send it again in a few minutes.${own}`
  return own === '' ? `${name} could not do it and did not say why.` : `${name} could not do it.${own}`
}

export function isSignedOut(refusal: Refusal): boolean {
  if (refusal.how === 'ended') return false
  return (
    refusal.code === authRequired ||
    statusOf(refusal) === 401 ||
    signedOutWords.test(`${wordsOf(refusal)} ${JSON.stringify(refusal.data ?? '')}`)
  )
}

/** The sentence for a process that ended in the middle of something. */
export function exitSentence(name: string, exit: Exit, stderr: string): string {
  if (exit.how === 'not-started') return exit.sentence
  const how = exit.signal === null ? `with exit code ${exit.code}` : `by ${exit.signal}`
  const words = stderr === '' ? ' It said nothing about why.' : ` It said: ${gist(stderr)}`
  return `${name} ended ${how} before its answer was complete.${words}`
}

/** Some agents give the vendor's HTTP status as the code, others only in their words. */
function statusOf({ code, message }: Extract<Refusal, { how: 'error' }>): number | undefined {
  if (code >= 400 && code < 600) return code
  const [, told] = /\b([45]\d\d)\b/.exec(message) ?? []
  return told === undefined ? undefined : Number(told)
}

/** The vendor's own words, out of the JSON that some agents pass on whole. */
function wordsOf({ message, data }: Extract<Refusal, { how: 'error' }>): string {
  const [, inner] = /"message"\s*:\s*("(?:[^"\\]|\\.)*")/.exec(message) ?? []
  const words = inner === undefined ? message : String(JSON.parse(inner))
  const details =
    typeof data === 'object' && data !== null && 'details' in data && typeof data.details === 'string'
      ? data.details
      : ''
  return /^internal error$/i.test(words.trim()) && details !== '' ? details : words.trim()
}

/** When the limit ends, in the agent's own words: `34s`, `3h12m`. */
function waitOf({ message, data }: Extract<Refusal, { how: 'error' }>): string | undefined {
  const told = `${message} ${JSON.stringify(data ?? '')}`
  const found =
    /(?:retry(?:Delay|[ -]after)?|reset(?:s)?(?: (?:after|in))?|in)\W{1,4}((?:\d+(?:\.\d+)?\s?(?:h|m|s|hours?|minutes?|seconds?)\s?)+)\b/i.exec(
      told,
    )
  return found?.[1]?.trim()
}

function gist(words: string): string {
  return words.length > gistLimit ? `…${words.slice(-gistLimit)}` : words
}
