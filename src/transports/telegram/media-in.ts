import { z } from 'zod'
import type { Attachment, AttachmentKind } from '../../core/message.ts'
import type { WireFile, WireMedia } from './wire.ts'

/** What Telegram needs to give a file: its id, and the one that stays the same, for its name here. */
const remote = z.object({ file: z.string(), unique: z.string() })

export interface RemoteFile {
  readonly file: string
  readonly unique: string
}

/** The file that a message brings. Of a picture, the largest of its sizes. */
export function attachmentsOf(media: WireMedia): readonly Attachment[] {
  const { photo, document, voice, audio, video, video_note: note, animation, sticker } = media
  const largest = photo?.toSorted((a, b) => a.width * a.height - b.width * b.height).at(-1)
  if (largest !== undefined) return [attachment('picture', largest, 'photo', 'image/jpeg')]
  if (voice !== undefined) return [attachment('voice', voice, 'voice', 'audio/ogg')]
  if (audio !== undefined) return [attachment('audio', audio, 'audio', 'audio/mpeg')]
  if (note !== undefined) return [attachment('video', note, 'videonote', 'video/mp4')]
  // An animation comes as a document too, for those who do not know it.
  if (animation !== undefined) return [attachment('video', animation, 'animation', 'video/mp4')]
  if (video !== undefined) return [attachment('video', video, 'video', 'video/mp4')]
  if (document !== undefined) {
    const kind = document.mime_type?.startsWith('image/') === true ? 'picture' : 'file'
    return [attachment(kind, document, 'file', 'application/octet-stream')]
  }
  if (sticker === undefined) return []
  if (sticker.is_animated === true) {
    return [attachment('sticker', sticker, 'sticker', 'application/x-tgsticker')]
  }
  return [attachment('sticker', sticker, 'sticker', sticker.is_video === true ? 'video/webm' : 'image/webp')]
}

function attachment(kind: AttachmentKind, wire: WireFile, word: string, usualType: string): Attachment {
  const { file_id: file, file_unique_id: unique, file_size: size, file_name: name, mime_type: type } = wire
  const mimeType = type ?? usualType
  return {
    kind,
    name: name ?? `${word}_${unique}${extension(mimeType)}`,
    mimeType,
    ...(size === undefined ? {} : { size }),
    remote: JSON.stringify({ file, unique } satisfies RemoteFile),
  }
}

/** Undefined: it was not written here. */
export function remoteOf({ remote: text }: Attachment): RemoteFile | undefined {
  if (text === undefined) return undefined
  try {
    return remote.safeParse(JSON.parse(text)).data
  } catch {
    // No JSON: of another transport.
    return undefined
  }
}

const extensions: Readonly<Record<string, string>> = {
  'image/jpeg': '.jpg',
  'image/png': '.png',
  'image/webp': '.webp',
  'image/gif': '.gif',
  'audio/ogg': '.ogg',
  'audio/mpeg': '.mp3',
  'audio/mp4': '.m4a',
  'video/mp4': '.mp4',
  'video/webm': '.webm',
  'video/quicktime': '.mov',
  'application/pdf': '.pdf',
  'application/x-tgsticker': '.tgs',
}

function extension(mimeType: string): string {
  return extensions[mimeType] ?? ''
}

/** What a message says that is neither words nor a file; an empty text where it says nothing of the kind. */
export function saidOf(media: WireMedia): string {
  const { location, venue, contact, dice, poll, sticker } = media
  if (location !== undefined) {
    const { latitude, longitude } = location
    const where = venue === undefined ? '' : ` of ${venue.title}, ${venue.address}`
    return `Location${where}: ${latitude}, ${longitude}`
  }
  if (contact !== undefined) {
    const name = [contact.first_name, contact.last_name].filter(Boolean).join(' ')
    return `Contact: ${name}, ${contact.phone_number}`
  }
  if (poll !== undefined) {
    return [`Poll: ${poll.question}`, ...poll.options.map(({ text }) => `- ${text}`)].join('\n')
  }
  if (dice !== undefined) return `${dice.emoji} ${dice.value}`
  if (sticker?.emoji !== undefined) return sticker.emoji
  const unread = unreadKinds.find((kind) => media[kind] !== undefined)
  return unread === undefined ? '' : `(A message of a kind that ductor cannot read yet: ${unread})`
}

const unreadKinds = [
  'story',
  'checklist',
  'paid_media',
  'live_photo',
  'rich_message',
  'game',
  'invoice',
  'giveaway',
] as const
