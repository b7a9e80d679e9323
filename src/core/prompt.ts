import { gist } from './gist.ts'
import type { Attachment, Message } from './message.ts'

const longestQuote = 4000

/** Messages that belong together as one, under the name of the first. There is at least one. */
export function together(messages: readonly Message[]): Message | undefined {
  const [first, ...more] = messages
  if (first === undefined || more.length === 0) return first
  const texts = messages.map(wordsOf).filter((text) => text !== '')
  const attachments = messages.flatMap((message) => message.attachments ?? [])
  const { forwardedFrom: _said, ...rest } = first
  return { ...rest, text: texts.join('\n\n'), ...(attachments.length > 0 ? { attachments } : {}) }
}

/** What a person wrote, with who said it first where it was passed on. */
function wordsOf({ text, forwardedFrom }: Message): string {
  if (forwardedFrom === undefined) return text.trim()
  return `(forwarded from “${nameOf(forwardedFrom)}”)\n${text.trim()}`
}

/** A name that somebody chose, so that it can be nothing but a name. */
function nameOf(name: string): string {
  return gist(name.replaceAll(/[“”"<>[\](){}`]/g, ''), 60)
}

/** An attachment as it stands when its turn begins. */
export interface Brought {
  readonly attachment: Attachment
  /** It came with the message that was answered. */
  readonly answered?: boolean
  /** What was said in it. */
  readonly transcript?: string
  /** Why it is not here, in a sentence. */
  readonly missing?: string
  /** Why nobody knows what was said in it, in a sentence. */
  readonly unheard?: string
}

/** The prompt: what the person wrote, what it answers, and which files came with it. Pure. */
export function promptOf(message: Message, brought: readonly Brought[]): string {
  const quoted = message.replyTo?.text?.trim()
  const answered = brought.filter((each) => each.answered === true)
  const own = brought.filter((each) => each.answered !== true)
  return [
    ...(quoted === undefined || quoted === '' ? [] : [`(in reply to:)\n${quote(quoted)}`]),
    ...spokenIn(answered).map(
      (text) => `(in reply to what was spoken, and written down by a program:)\n${quote(text)}`,
    ),
    ...(wordsOf(message) === '' ? [] : [wordsOf(message)]),
    ...spokenIn(own).map((text) => `(spoken, and written down by a program:)\n${text}`),
    ...listed('files that came with this message', own),
    ...listed('files of the message that it answers', answered),
  ].join('\n\n')
}

function spokenIn(brought: readonly Brought[]): readonly string[] {
  return brought.flatMap(({ transcript }) => (transcript === undefined ? [] : [transcript.trim()]))
}

function listed(what: string, brought: readonly Brought[]): readonly string[] {
  return brought.length === 0 ? [] : [`(${what}:)\n${brought.map(lineOf).join('\n')}`]
}

function quote(text: string): string {
  const cut = text.length > longestQuote ? `${text.slice(0, longestQuote)} …` : text
  return cut
    .split('\n')
    .map((line) => `> ${line}`)
    .join('\n')
}

function lineOf({ attachment, missing }: Brought): string {
  const { kind, name, mimeType, size, path } = attachment
  const what = `${kind} “${nameOf(name)}” (${mimeType}${size === undefined ? '' : `, ${sizeOf(size)}`})`
  return missing === undefined && path !== undefined
    ? `- ${what}: ${path}`
    : `- ${what}: not here. ${missing ?? ''}`
}

/** Bytes as people say them. */
export function sizeOf(bytes: number): string {
  if (bytes < 1000) return `${bytes} bytes`
  if (bytes < 1_000_000) return `${Math.round(bytes / 1000)} KB`
  return `${(bytes / 1_000_000).toFixed(1)} MB`
}
