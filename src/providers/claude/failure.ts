import type { Exit } from '../cli-process.ts'
import type { Result } from './wire.ts'

const gistLimit = 500

/** The sentence for an error of the vendor's API. Claude's own words come along: they may know more. */
export function apiFailure(
  status: number | null | undefined,
  words: string,
  /** Seconds since 1970, where Claude told when the limit ends. */
  resetsAt?: number,
): string {
  const own = words === '' ? '' : ` Claude says: ${gist(words)}`
  if (/not logged in|\/login|invalid api key/i.test(words) || status === 401)
    return `Claude is not signed in, or its key is not accepted. Run \`claude auth login\` on the agent's machine, or set ANTHROPIC_API_KEY.${own}`
  if (status === 403) return `This account may not do that. Check its plan and rights.${own}`
  if (status === 404) return `Claude does not know this model. Send /model to choose another.${own}`
  if (status === 429 || /usage limit|hit your .{0,30}limit/i.test(words))
    return `The usage limit is reached.${resetTime(resetsAt) || ' Wait a while, then send it again.'}${own}`
  if (status === 529) return `Anthropic is overloaded. Send it again in a few minutes.${own}`
  if (status !== null && status !== undefined && status >= 500)
    return `Anthropic had an error of its own (${status}). Send it again in a few minutes.${own}`
  return own === '' ? 'Claude could not do it and did not say why.' : `Claude could not do it.${own}`
}

/** The sentence for a result that is an error. */
export function resultFailure(result: Result, resetsAt?: number): string {
  const words = result.result || (result.errors ?? []).join(' ')
  if (result.terminal_reason === 'prompt_too_long')
    return `The conversation is too long for the model. Send /new to begin another, or a shorter message. Claude says: ${gist(words)}`
  return apiFailure(result.api_error_status, words, resetsAt)
}

/** The sentence for a process that ended in the middle of a turn. */
export function exitFailure(exit: Exit, stderr: string): string {
  if (exit.how === 'not-started') return exit.sentence
  if (/cannot be used with root/.test(stderr)) return asRoot
  const how = exit.signal === null ? `with exit code ${exit.code}` : `by ${exit.signal}`
  const words = stderr === '' ? ' It said nothing about why.' : ` It said: ${gist(stderr)}`
  return `Claude ended ${how} before its answer was complete.${words}`
}

const asRoot =
  'Claude does not act without asking where it runs as root. Run ductor as another user, or choose another ' +
  'permission mode. Only where this machine is a sandbox that may be lost: set IS_SANDBOX to 1 in providers.claude.env.'

/** ` It resets on …`, or nothing where that is not known. */
export function resetTime(seconds: number | null | undefined): string {
  if (seconds === null || seconds === undefined) return ''
  const time = new Date(seconds * 1000).toLocaleString('en-GB', {
    weekday: 'short',
    day: 'numeric',
    month: 'short',
    hour: '2-digit',
    minute: '2-digit',
    timeZoneName: 'short',
  })
  return ` It resets on ${time}.`
}

export function refusedResume(result: Result): boolean {
  const words = (result.errors ?? []).join(' ')
  return result.is_error && /No conversation found|--resume requires a valid session/.test(words)
}

function gist(words: string): string {
  return words.length > gistLimit ? `…${words.slice(-gistLimit)}` : words
}
