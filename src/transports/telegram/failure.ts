import { DeliveryError, type Operation } from '../../core/transport.ts'
import { CallError } from './bot-api.ts'

/** What a call that failed means for the operation that it was made for. */
export function failureOf(error: unknown, operation: Operation['type']): DeliveryError {
  if (error instanceof DeliveryError) return error
  if (!(error instanceof CallError)) {
    return new DeliveryError('rejected', 'a delivery stumbled over itself', { cause: error })
  }
  switch (error.failure) {
    case 'unsent':
      return new DeliveryError('unreachable', error.message)
    case 'lost':
      // Changing and deleting twice is the same as once.
      return new DeliveryError(operation === 'post' ? 'unknown' : 'unreachable', error.message)
    case 'refused':
      return refusal(error, operation)
  }
}

function refusal(error: CallError, operation: Operation['type']): DeliveryError {
  const { code, message } = error
  if (code === 429) {
    return new DeliveryError('rate-limited', message, { retryAfterMs: error.retryAfterMs ?? 1000 })
  }
  // The token was taken back: what is to be delivered can wait for the next one.
  if (code === 401 || code === 404) {
    return new DeliveryError('unreachable', `Telegram refuses the token: ${message}`)
  }
  if (operation === 'edit' && isGone(message)) return new DeliveryError('gone', message)
  return new DeliveryError('rejected', inPlainWords(message))
}

/** Is there no message any more that could be changed here? What was in a topic that closed stays as it is. */
function isGone(message: string): boolean {
  return (
    /message to edit not found|message can't be edited|message_id_invalid|no (?:text|caption) in the message/i.test(
      message,
    ) || isTopicLost(message)
  )
}

export function isTopicLost(message: string): boolean {
  return /message thread not found|topic_deleted|topic_id_invalid|topic_closed/i.test(message)
}

/** Does it mean that this person's chat takes nothing from the bot? */
export function isUnwanted({ code, message }: CallError): boolean {
  return code === 403 && /bot was blocked|user is deactivated|can't initiate conversation/i.test(message)
}

const plainWords: readonly (readonly [RegExp, string])[] = [
  [/bot was blocked/i, 'the person has blocked the bot'],
  [/user is deactivated/i, 'the account of the person does not exist any more'],
  [/can't initiate conversation/i, 'the person has never written to the bot, so it may not begin'],
  [/bot was kicked|bot is not a member/i, 'the bot is not in that group any more'],
  [/not enough rights|have no rights|chat_write_forbidden/i, 'the bot may not write in that chat'],
  [/chat not found/i, 'Telegram knows no such chat'],
  [/message thread not found|topic_deleted|topic_id_invalid/i, 'the topic was deleted'],
  [/topic_closed/i, 'the topic is closed'],
]

function inPlainWords(message: string): string {
  const known = plainWords.find(([pattern]) => pattern.test(message))
  return known === undefined ? message : `${known[1]} (${message})`
}

/** A refusal that has nothing to do with the chat, the topic or the message that is to be changed. */
export function isAboutContent(error: unknown): boolean {
  if (!(error instanceof CallError)) return false
  const { code, message, movedTo } = error
  if (code === 404) return true
  const isElsewhere =
    /chat not found|message to (?:edit|be replied) not found|can't be edited|message_id_invalid|not modified|rights/i
  return code === 400 && movedTo === undefined && !isTopicLost(message) && !isElsewhere.test(message)
}

export function isRefusal(error: unknown, message: RegExp): boolean {
  return error instanceof CallError && error.code === 400 && message.test(error.message)
}
