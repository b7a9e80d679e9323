import type { Log } from './define.ts'
import type { Attachment, Message, Place } from './message.ts'
import type { Brought } from './prompt.ts'
import { UserError } from './user-error.ts'

export interface BringDeps {
  readonly log: Log
  readonly fetch?: (attachment: Attachment, place: Place, signal: AbortSignal) => Promise<Attachment>
  readonly transcribe?: (path: string, signal: AbortSignal) => Promise<string | undefined>
}

/**
 * Brings what came with a message, or with the one that it answers, to this machine. What cannot be had is named instead;
 * nothing is thrown.
 */
export async function bring(
  { attachments = [], replyTo }: Message,
  place: Place,
  deps: BringDeps,
  signal: AbortSignal,
): Promise<readonly Brought[]> {
  const one = (attachment: Attachment) => bringOne(attachment, place, deps, signal)
  const answered = replyTo?.attachments ?? []
  return Promise.all([
    ...attachments.map(one),
    ...answered.map(async (each) => ({ ...(await one(each)), answered: true })),
  ])
}

async function bringOne(
  attachment: Attachment,
  place: Place,
  deps: BringDeps,
  signal: AbortSignal,
): Promise<Brought> {
  const got = await fetched(attachment, place, deps, signal)
  if (typeof got === 'string') return { attachment, missing: got }
  const { path } = got
  if (got.kind !== 'voice' || path === undefined || deps.transcribe === undefined) return { attachment: got }
  try {
    const transcript = await deps.transcribe(path, signal)
    return transcript === undefined ? { attachment: got } : { attachment: got, transcript }
  } catch (error) {
    return { attachment: got, unheard: sentenceOf(error, 'It could not be written down.', place, deps.log) }
  }
}

/** The attachment on this machine, or why it is not. */
async function fetched(
  attachment: Attachment,
  place: Place,
  { fetch, log }: BringDeps,
  signal: AbortSignal,
): Promise<Attachment | string> {
  const lost = 'It could not be fetched.'
  try {
    const here = attachment.path === undefined ? await fetch?.(attachment, place, signal) : attachment
    return here?.path === undefined ? lost : here
  } catch (error) {
    return sentenceOf(error, lost, place, log)
  }
}

function sentenceOf(error: unknown, otherwise: string, place: Place, log: Log): string {
  if (error instanceof UserError) return error.message
  log.warn({ err: error, place: place.key }, 'a file could not be brought')
  return otherwise
}
