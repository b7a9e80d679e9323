import { z } from 'zod'

/** The parts of an update that are read here, as the Bot API sends them. */

const user = z.object({
  id: z.int(),
  first_name: z.string().optional(),
  username: z.string().optional(),
})
const chat = z.object({ id: z.int(), type: z.string(), title: z.string().optional() })
const entity = z.object({
  type: z.string(),
  offset: z.int(),
  length: z.int(),
  user: user.optional(),
})
const place = z.object({
  message_id: z.int(),
  message_thread_id: z.int().optional(),
  is_topic_message: z.boolean().optional(),
  chat,
})

const file = z.object({
  file_id: z.string(),
  file_unique_id: z.string(),
  file_size: z.int().optional(),
  file_name: z.string().optional(),
  mime_type: z.string().optional(),
})
const sticker = file.extend({
  emoji: z.string().optional(),
  is_animated: z.boolean().optional(),
  is_video: z.boolean().optional(),
})
/** What a message can bring besides words. What has another shape than we know must not hide the words. */
const media = z.object({
  photo: z
    .array(file.extend({ width: z.int(), height: z.int() }))
    .optional()
    .catch(undefined),
  document: file.optional().catch(undefined),
  voice: file.optional().catch(undefined),
  audio: file.optional().catch(undefined),
  video: file.optional().catch(undefined),
  video_note: file.optional().catch(undefined),
  animation: file.optional().catch(undefined),
  sticker: sticker.optional().catch(undefined),
  location: z.object({ latitude: z.number(), longitude: z.number() }).optional().catch(undefined),
  venue: z.object({ title: z.string(), address: z.string() }).optional().catch(undefined),
  contact: z
    .object({ phone_number: z.string(), first_name: z.string(), last_name: z.string().optional() })
    .optional()
    .catch(undefined),
  dice: z.object({ emoji: z.string(), value: z.int() }).optional().catch(undefined),
  poll: z
    .object({ question: z.string(), options: z.array(z.object({ text: z.string() })) })
    .optional()
    .catch(undefined),
  story: z.unknown().optional().catch(undefined),
  checklist: z.unknown().optional().catch(undefined),
  paid_media: z.unknown().optional().catch(undefined),
  live_photo: z.unknown().optional().catch(undefined),
  rich_message: z.unknown().optional().catch(undefined),
  game: z.unknown().optional().catch(undefined),
  invoice: z.unknown().optional().catch(undefined),
  giveaway: z.unknown().optional().catch(undefined),
})

/** As with files: what is around the words must not hide them. Who wrote them and where is another matter. */
const topicOpened = z.object({ name: z.string() })
/** Where a message comes from that was passed on; which field names its author goes by its type. */
const origin = z.object({
  sender_user: user.optional(),
  sender_user_name: z.string().optional(),
  sender_chat: chat.optional(),
  chat: chat.optional(),
})

const message = place.extend({
  ...media.shape,
  date: z.int(),
  edit_date: z.int().optional().catch(undefined),
  from: user.optional(),
  sender_chat: chat.optional(),
  text: z.string().optional(),
  caption: z.string().optional(),
  entities: z.array(entity).optional(),
  caption_entities: z.array(entity).optional(),
  media_group_id: z.string().optional(),
  forward_origin: origin.optional().catch({}),
  reply_to_message: media
    .extend({
      message_id: z.int(),
      from: user.optional(),
      text: z.string().optional(),
      caption: z.string().optional(),
      forum_topic_created: topicOpened.optional().catch(undefined),
    })
    .optional()
    .catch(undefined),
  /** What is answered, where it lies in another chat. */
  external_reply: media.optional().catch(undefined),
  quote: z.object({ text: z.string() }).optional().catch(undefined),
  migrate_to_chat_id: z.int().optional(),
  migrate_from_chat_id: z.int().optional(),
  forum_topic_created: topicOpened.optional().catch(undefined),
  forum_topic_edited: z.object({ name: z.string().optional() }).optional().catch(undefined),
  forum_topic_closed: z.unknown().optional(),
})

const membership = z.object({ status: z.string(), is_member: z.boolean().optional() })

const update = z.object({
  update_id: z.int(),
  message: message.optional(),
  edited_message: message.optional(),
  callback_query: z
    .object({ id: z.string(), from: user, message: place.optional(), data: z.string().optional() })
    .optional(),
  my_chat_member: z
    .object({ chat, from: user, old_chat_member: membership, new_chat_member: membership })
    .optional(),
  stopped_message_generation: z
    .object({ chat, message_thread_id: z.int().optional(), draft_id: z.int() })
    .optional(),
})

/** The kinds of updates that are read here; Telegram sends no others. */
export const allowedUpdates = [
  'message',
  'edited_message',
  'callback_query',
  'my_chat_member',
  'stopped_message_generation',
] as const

export type Update = z.infer<typeof update>
export type WireMessage = z.infer<typeof message>
export type WireEntity = z.infer<typeof entity>
export type WireFile = z.infer<typeof file>
export type WireMedia = z.infer<typeof media>
export type WireMember = z.infer<typeof membership>
export type WirePlace = z.infer<typeof place>
export type WireUser = z.infer<typeof user>

/** Undefined: what came makes no sense to us. */
export function readUpdate(wire: unknown): Update | undefined {
  return update.safeParse(wire).data
}
