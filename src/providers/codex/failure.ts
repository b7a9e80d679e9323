import { stripVTControlCharacters } from 'node:util'
import type { TurnEvent } from '../../core/provider.ts'
import type { Exit } from '../cli-process.ts'
import type { TurnError } from './wire.ts'

type Ended = Extract<TurnEvent, { type: 'turn.ended' }>

const gistLimit = 500

export const tooLong =
  'The conversation is too long for the model. Send /new to begin another, or a shorter message.'
export const inUse =
  'This conversation is open in another program, a terminal perhaps. Close it there, then send it again.'

/** The ending for an error that Codex ended a turn with. Its own words come along: they may know more. */
export function errorEnding(error: TurnError | null | undefined, resets: string | undefined): Ended {
  const end = (stop: Ended['stop'], sentence: string): Ended => ({
    type: 'turn.ended',
    stop,
    error: sentence + said(wordsOf(error)),
  })
  switch (kindOf(error)) {
    case 'contextWindowExceeded':
      return end('limit', tooLong)
    case 'sessionBudgetExceeded':
      return end('limit', 'The budget of this conversation is used up. Send /new to begin another.')
    case 'cyberPolicy':
    case 'misalignmentPolicyViolation':
      return end('refusal', 'OpenAI refused this.')
    case 'usageLimitExceeded':
      return end('failed', `The usage limit is reached.${resets ?? ' Wait a while, then send it again.'}`)
    case 'rateLimitExceeded':
      return end('failed', 'OpenAI takes no more for the moment. Wait a minute, then send it again.')
    case 'serverOverloaded':
    case 'flexUnavailable':
    case 'policyCapacityUnavailable':
      return end('failed', 'OpenAI is overloaded. Send it again in a few minutes.')
    case 'internalServerError':
      return end('failed', 'OpenAI had an error of its own. Send it again in a few minutes.')
    case 'modelNotFound':
      return end('failed', 'Codex does not know this model. Send /model to choose another.')
    case 'unauthorized':
      return end('failed', httpSentence(401))
    case 'sandboxError':
      return end('failed', 'The sandbox of Codex does not work on this machine.')
    case undefined:
    default:
      return end('failed', httpSentence(statusOf(error)))
  }
}

/** The HTTP status that the vendor answered with. */
export function statusOf(error: TurnError | null | undefined): number | undefined {
  const info = error?.codexErrorInfo
  const inner = typeof info === 'object' && info !== null ? Object.values(info)[0] : undefined
  const code =
    typeof inner === 'object' && inner !== null && 'httpStatusCode' in inner
      ? inner.httpStatusCode
      : undefined
  if (typeof code === 'number') return code
  // The one-shot mode has words only.
  const told = /(?:status|status:) (\d{3})\b/.exec(wordsOf(error))?.[1]
  return told === undefined ? undefined : Number(told)
}

/** Why Codex tries again, in parentheses; empty where it does not say. */
export function whyRetry(error: TurnError): string {
  const status = statusOf(error)
  if (status !== undefined) return ` (error ${status})`
  return /waiting for network|connection failed|error sending request/i.test(wordsOf(error))
    ? ' (no connection)'
    : ''
}

/** The sentence for a process that ended in the middle of a turn. */
export function exitFailure(exit: Exit, stderr: string): string {
  if (exit.how === 'not-started') return exit.sentence
  const how = exit.signal === null ? `with exit code ${exit.code}` : `by ${exit.signal}`
  return `Codex ended ${how} before its answer was complete.${said(stderr) || ' It said nothing about why.'} Send the message again to go on.`
}

/** The vendor could not be reached for so long. */
export function unreachable(ms: number, words: string): Ended {
  return failed(
    `OpenAI could not be reached for ${roughly(ms)}. Check the connection, then send it again.${said(words)}`,
  )
}

/** Codex said nothing for so long. */
export function silent(ms: number): Ended {
  return failed(`Codex said nothing for ${roughly(ms)} and was stopped. Send it again.`)
}

export function failed(error: string): Ended {
  return { type: 'turn.ended', stop: 'failed', error }
}

export function wordsOf(error: TurnError | null | undefined): string {
  return [error?.message, error?.additionalDetails].filter((each) => each).join(': ')
}

/** Codex' own words as another sentence; empty where there are none. */
export function said(words: string): string {
  const clean = stripVTControlCharacters(words).trim()
  if (clean === '') return ''
  return ` Codex says: ${clean.length > gistLimit ? `…${clean.slice(-gistLimit)}` : clean}`
}

function roughly(ms: number): string {
  return ms < 60_000 ? `${Math.round(ms / 1000)} s` : `${Math.round(ms / 60_000)} minutes`
}

function kindOf(error: TurnError | null | undefined): string | undefined {
  const info = error?.codexErrorInfo
  return typeof info === 'string' ? info : undefined
}

function httpSentence(status: number | undefined): string {
  if (status === 401)
    return "Codex is not signed in, or its key is not accepted. Run `codex login` on the agent's machine."
  if (status === 403) return 'This account may not do that. Check its plan and rights.'
  if (status === 404) return 'OpenAI does not know this address or model. Send /model to choose another.'
  if (status === 429) return 'The usage limit is reached. Wait a while, then send it again.'
  if (status === 529 || status === 503) return 'OpenAI is overloaded. Send it again in a few minutes.'
  if (status !== undefined && status >= 500)
    return `OpenAI had an error of its own (${status}). Send it again in a few minutes.`
  return 'Codex could not do it.'
}
