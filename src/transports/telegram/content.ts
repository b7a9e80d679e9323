import { z } from 'zod'
import type { InputRichBlock } from 'grammy/types'
import type { Content } from '../../core/transport.ts'
import { CallError } from './bot-api.ts'

/** What one message holds, in the words of the Bot API; and as it comes back from the store. */

const look = z.object({ offset: z.int(), length: z.int() })
const entity = z.discriminatedUnion('type', [
  look.extend({ type: z.literal('pre'), language: z.string().exactOptional() }),
  look.extend({ type: z.literal('text_link'), url: z.string() }),
  look.extend({
    type: z.enum(['bold', 'italic', 'strikethrough', 'code', 'blockquote', 'expandable_blockquote']),
  }),
])
const button = z.object({
  text: z.string(),
  callback_data: z.string(),
  style: z.enum(['primary', 'danger']).exactOptional(),
})

const textContent = z.object({
  text: z.string(),
  entities: z.array(entity),
  reply_markup: z.object({ inline_keyboard: z.array(z.array(button)) }).exactOptional(),
})
/** Made by us alone, and looked at by Telegram: which blocks there are is known to `rich.ts`. */
const richBlock = z.custom<InputRichBlock>(
  (block) => z.looseObject({ type: z.string() }).safeParse(block).success,
)
const richContent = z.object({ rich: z.array(richBlock), reply_markup: textContent.shape.reply_markup })
const fileContent = z.object({
  kind: z.literal('file'),
  path: z.string(),
  name: z.string(),
  mime_type: z.string(),
  size: z.number(),
})

/** Files that Telegram shows together: it makes a message of each, all in one call. */
const albumContent = z.object({ kind: z.literal('album'), files: z.array(fileContent).min(2).max(10) })

export type TextContent = Readonly<z.infer<typeof textContent>>
export type RichContent = Readonly<z.infer<typeof richContent>>
export type FileContent = Readonly<z.infer<typeof fileContent>>
export type AlbumContent = Readonly<z.infer<typeof albumContent>>
export type FilesContent = FileContent | AlbumContent
export type WordsContent = TextContent | RichContent

/** Throws `CallError` for what is not of this transport. */
export function deliverable(content: Content): WordsContent | FilesContent {
  const parsed = z.union([fileContent, albumContent, richContent, textContent]).safeParse(content)
  if (parsed.success) return parsed.data
  throw new CallError('refused', 'this content is not of this transport', { code: 400 })
}

export function filesOf(content: FilesContent): readonly FileContent[] {
  return content.kind === 'album' ? content.files : [content]
}
