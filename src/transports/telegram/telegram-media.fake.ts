import { randomUUID } from 'node:crypto'
import { z } from 'zod'
import { Upload, type FileKind as Kind, type StoredFile } from './telegram-files.fake.ts'
import { checkKeyboard, keyboard } from './telegram-keyboard.fake.ts'
import type { WireEntity } from './telegram-entities.fake.ts'
import {
  chatId,
  entities,
  flag,
  integer,
  method,
  replyParameters,
  wired,
  type Call,
  type Method,
} from './telegram-method.fake.ts'
import { checkPhoto } from './telegram-photo.fake.ts'
import { badRequest } from './telegram-refusal.fake.ts'
import { threadOfMessage, type WireMessage, type World } from './telegram-world.fake.ts'

const kinds: readonly Kind[] = ['photo', 'document', 'video', 'audio', 'voice', 'animation', 'video_note']
const albumKinds = ['photo', 'video', 'document', 'audio'] as const

const given = z.union([z.instanceof(Upload), z.string()])
/** An album has no keyboard, and its items have the captions. */
const albumManner = {
  chat_id: chatId,
  message_thread_id: integer.optional(),
  disable_notification: flag.optional(),
  reply_parameters: replyParameters.optional(),
}
const manner = {
  ...albumManner,
  caption: z.string().optional(),
  caption_entities: entities.optional(),
  reply_markup: wired(keyboard).optional(),
}

const album = wired(
  z.array(
    z.strictObject({
      type: z.string(),
      media: z.string(),
      caption: z.string().optional(),
      caption_entities: entities.optional(),
    }),
  ),
)

/** Methods that send files, tell where they are, or change what stands under them. */
export const mediaMethods = {
  ...Object.fromEntries(kinds.map((kind) => [nameOf(kind), sending(kind)])),
  sendMediaGroup: method({ ...albumManner, media: album }, (parameters, call) => {
    const { media, ...rest } = parameters
    if (media.length === 0 || media.length > 10) throw badRequest('group send failed: wrong number of media')
    if (new Set(media.map(({ type }) => (type === 'video' ? 'photo' : type))).size > 1) {
      throw badRequest("can't mix media of these types in one album")
    }
    // All of it is looked at before any of it is shown.
    const items = media.map(({ type, media: file, caption, caption_entities }) => {
      const kind = albumKinds.find((one) => one === type)
      if (kind === undefined) throw badRequest('type of media is not supported')
      return { kind, wanted: { ...rest, caption, caption_entities }, file: mediaOf(kind, file, call) }
    })
    for (const { kind, wanted } of items) check(kind, wanted, call)
    call.flood.spend(rest.chat_id, items.length)
    const group = { media_group_id: randomUUID() }
    return items.map(({ kind, wanted, file }) => show(kind, wanted, file, call, group))
  }),
  getFile: method({ file_id: z.string() }, ({ file_id: id }, { world }) => world.files.link(id)),
  editMessageCaption: method(
    {
      chat_id: chatId,
      message_id: integer,
      caption: z.string().optional(),
      caption_entities: entities.optional(),
      reply_markup: wired(keyboard).optional(),
    },
    (
      {
        chat_id: id,
        message_id: messageId,
        caption = '',
        caption_entities: looks = [],
        reply_markup: markup,
      },
      { world, flood },
    ) => {
      const chat = world.writable(id)
      const old = chat.messages.get(messageId)
      if (old === undefined) throw badRequest('message to edit not found')
      if (old.from?.id !== world.bot.id) throw badRequest("message can't be edited")
      if (!kinds.some((kind) => old[kind] !== undefined)) {
        throw badRequest('there is no caption in the message to edit')
      }
      if (markup !== undefined) checkKeyboard(markup, world.limits)
      const shown = captionOf(caption, looks, world)
      flood.spend(id)
      const isSame =
        old.caption === shown.caption &&
        JSON.stringify(old['caption_entities']) === JSON.stringify(shown.caption_entities) &&
        JSON.stringify(old.reply_markup) === JSON.stringify(markup)
      if (isSame) {
        throw badRequest('message is not modified: the new caption is the same as the current one')
      }
      const { caption: _caption, caption_entities: _looks, reply_markup: _markup, ...kept } = old
      const message: WireMessage = {
        ...kept,
        edit_date: Math.floor(world.now() / 1000),
        ...shown,
        ...(markup === undefined ? {} : { reply_markup: markup }),
      }
      chat.messages.set(messageId, message)
      return message
    },
  ),
} satisfies Record<string, Method>

function nameOf(kind: Kind): string {
  return `send${kind
    .split('_')
    .map((word) => word.charAt(0).toUpperCase() + word.slice(1))
    .join('')}`
}

function sending(kind: Kind): Method {
  return method({ ...manner, [kind]: given.optional() }, (parameters, call) => {
    const file = parameters[kind as 'caption'] as unknown
    if (typeof file === 'string') return send(kind, parameters, call.world.files.named(file, kind), call)
    if (!(file instanceof Upload)) throw badRequest(`there is no ${kind} in the request`)
    return send(kind, parameters, accept(kind, file, call.world), call)
  })
}

function accept(kind: Kind, { name, bytes }: Upload, world: World): StoredFile {
  if (bytes.length === 0) throw badRequest('file must be non-empty')
  if (kind === 'photo') {
    if (bytes.length > world.limits.photoBytes) throw badRequest('file is too big for a photo')
    checkPhoto(bytes)
  }
  if (kind === 'voice' && Buffer.from(bytes.subarray(0, 4)).toString('latin1') !== 'OggS') {
    world.lint(`${name} is no Ogg, so it is no voice message`)
  }
  return world.files.keep(kind, name, bytes)
}

/** What stands under a file, as the server keeps it. */
function captionOf(caption: string, looks: readonly WireEntity[], world: World): Caption {
  if (caption === '') return {}
  const { text, entities: kept } = world.fixCaption(caption, looks)
  return { caption: text, ...(kept.length === 0 ? {} : { caption_entities: kept }) }
}

interface Caption {
  readonly caption?: string
  readonly caption_entities?: readonly WireEntity[]
}

interface Manner {
  readonly chat_id: number
  readonly caption?: string | undefined
  readonly caption_entities?: readonly WireEntity[] | undefined
  readonly message_thread_id?: number | undefined
  readonly disable_notification?: boolean | undefined
  readonly reply_parameters?: z.infer<typeof replyParameters> | undefined
  readonly reply_markup?: z.infer<typeof keyboard> | undefined
}

function send(kind: Kind, wanted: Manner, file: StoredFile, call: Call): WireMessage {
  check(kind, wanted, call)
  call.flood.spend(wanted.chat_id)
  return show(kind, wanted, file, call)
}

/** Throws what stands against it. */
function check(
  kind: Kind,
  { chat_id: id, message_thread_id: thread, ...wanted }: Manner,
  { world }: Call,
): void {
  const chat = world.writable(id, kind)
  const reply = wanted.reply_parameters
  world.topic(chat, thread, reply === undefined ? undefined : chat.messages.get(reply.message_id))
  if (wanted.reply_markup !== undefined) checkKeyboard(wanted.reply_markup, world.limits)
  if (
    reply !== undefined &&
    !chat.messages.has(reply.message_id) &&
    reply.allow_sending_without_reply !== true
  ) {
    throw badRequest('message to be replied not found')
  }
  captionOf(wanted.caption ?? '', wanted.caption_entities ?? [], world)
}

function show(
  kind: Kind,
  { chat_id: id, message_thread_id: thread, reply_parameters: reply, ...wanted }: Manner,
  file: StoredFile,
  { world }: Call,
  more: object = {},
): WireMessage {
  const chat = world.writable(id, kind)
  const answered = reply === undefined ? undefined : chat.messages.get(reply.message_id)
  const topic = world.topic(chat, thread, answered)
  world.endDraft(id, thread)
  return world.put(chat, {
    from: world.bot,
    ...wireFile(kind, file),
    ...captionOf(wanted.caption ?? '', wanted.caption_entities ?? [], world),
    ...threadOfMessage(chat, topic, answered),
    ...(wanted.reply_markup === undefined ? {} : { reply_markup: wanted.reply_markup }),
    ...(wanted.disable_notification === true ? { silent: true } : {}),
    ...more,
  })
}

/** What an item of an album names: a part of the request, or a file that is known. */
function mediaOf(kind: Kind, named: string, { world, uploads }: Call): StoredFile {
  const [, part] = /^attach:\/\/(.+)$/.exec(named) ?? []
  if (part === undefined) return world.files.named(named, kind)
  const upload = uploads.get(part)
  if (upload === undefined) throw badRequest(`file ${named} has not come with the request`)
  return accept(kind, upload, world)
}

/** A file as a message shows it. */
export function wireFile(
  kind: string,
  { id, unique, name, bytes }: StoredFile,
): Readonly<Record<string, unknown>> {
  const wire = { file_id: id, file_unique_id: unique, file_size: bytes.length }
  if (kind === 'photo') {
    const small = { ...wire, file_id: `${id}-small`, width: 90, height: 60 }
    return { photo: [small, { ...wire, width: 1280, height: 853 }] }
  }
  const named = kind === 'document' || kind === 'audio' || kind === 'video' || kind === 'animation'
  return { [kind]: { ...wire, ...(named ? { file_name: name } : {}) } }
}
