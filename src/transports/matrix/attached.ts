import type { Attachment, AttachmentKind } from '../../core/message.ts'
import type { Words } from './wire.ts'

const kinds: Readonly<Record<string, AttachmentKind>> = {
  'm.image': 'picture',
  'm.audio': 'audio',
  'm.video': 'video',
  'm.file': 'file',
  'm.sticker': 'sticker',
}

/** The file that came with these words; undefined where they are only words. */
export function attachmentOf(words: Words): Attachment | undefined {
  const { msgtype, body, filename = body, url, file, info } = words
  const usual = kinds[msgtype]
  if (usual === undefined) return undefined
  const spoken = usual === 'audio' && words['org.matrix.msc3245.voice'] !== undefined
  return {
    kind: spoken ? 'voice' : usual,
    name: filename.slice(0, 500),
    mimeType: mimeTypeOf(info?.mimetype),
    ...(info?.size === undefined ? {} : { size: info.size }),
    remote: JSON.stringify(file === undefined ? { url } : { file }),
  }
}

/** What the sender wrote below a file; without it, the body is the file's name. */
export function captionOf({ body, filename }: Words): string | undefined {
  return filename === undefined || filename === body ? undefined : body
}

/** What the sender says of it, if it looks like something. */
function mimeTypeOf(said: string | undefined): string {
  return said !== undefined && /^[\w.+-]{1,60}\/[\w.+-]{1,60}$/.test(said) ? said : 'application/octet-stream'
}
