import { extname } from 'node:path'
import { oneLine } from './clean-text.ts'
import type { FileContent } from './content.ts'

const megabyte = 1_000_000
const mostPhoto = 10 * megabyte
/** An album holds so many files, and so many bytes in all: it is one call. */
const mostTogether = { files: 10, bytes: 50 * megabyte }

/** How a file is sent. Those of one `together` may share an album; where it is undefined, a file goes alone. */
export interface Way {
  readonly method: string
  readonly field: string
  /** Is its name nowhere to be seen without a caption? */
  readonly nameless: boolean
  readonly together?: 'seen' | 'heard' | 'kept'
}

export const asDocument: Way = {
  method: 'sendDocument',
  field: 'document',
  nameless: false,
  together: 'kept',
}
const photo: Way = { method: 'sendPhoto', field: 'photo', nameless: true, together: 'seen' }
const video: Way = { method: 'sendVideo', field: 'video', nameless: true, together: 'seen' }
const audio: Way = { method: 'sendAudio', field: 'audio', nameless: false, together: 'heard' }
const animation: Way = { method: 'sendAnimation', field: 'animation', nameless: true }
const voice: Way = { method: 'sendVoice', field: 'voice', nameless: true }

const ways: readonly (readonly [type: RegExp, name: RegExp, way: Way])[] = [
  [/^image\/(?:jpeg|png|webp)$/, /\.(?:jpe?g|png|webp)$/, photo],
  [/^image\/gif$/, /\.gif$/, animation],
  [/^video\/mp4$/, /\.mp4$/, video],
  [/^audio\/(?:mpeg|mp4|x-m4a)$/, /\.(?:mp3|m4a)$/, audio],
  [/^audio\/(?:ogg|opus)$/, /\.(?:ogg|oga|opus)$/, voice],
]

/** How Telegram shows such a file best. */
export function wayFor({ name, mime_type: type, size }: FileContent): Way {
  const found = ways.find(
    ([types, names]) => types.test(type) && names.test(extname(name).toLowerCase()),
  )?.[2]
  return found === undefined || (found === photo && size > mostPhoto) ? asDocument : found
}

/** The line under a file: its name, where it would not be seen otherwise. */
export function captionOf(content: FileContent, { nameless } = wayFor(content)): string | undefined {
  return nameless ? oneLine(content.name, 200) : undefined
}

/** The files in messages: those that follow each other and are shown alike go as an album, in their order. */
export function inMessages<File extends FileContent>(files: readonly File[]): readonly (readonly File[])[] {
  const messages: File[][] = []
  for (const file of files) {
    const last = messages.at(-1)
    if (last !== undefined && fits(last, file)) last.push(file)
    else messages.push([file])
  }
  return messages
}

function fits(files: readonly FileContent[], next: FileContent): boolean {
  const { together } = wayFor(next)
  const bytes = files.reduce((sum, { size }) => sum + size, next.size)
  return (
    together !== undefined &&
    files.length < mostTogether.files &&
    bytes <= mostTogether.bytes &&
    files.every((file) => wayFor(file).together === together)
  )
}
