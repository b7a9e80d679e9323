import { z } from 'zod'
import { Upload, type StoredFile } from './telegram-files.fake.ts'
import { checkKeyboard, keyboard } from './telegram-keyboard.fake.ts'
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
import { badRequest } from './telegram-refusal.fake.ts'
import { threadOfMessage, type WireMessage, type World } from './telegram-world.fake.ts'

const kinds = ['photo', 'document', 'video', 'audio', 'voice', 'animation', 'video_note'] as const
type Kind = (typeof kinds)[number]

const given = z.union([z.instanceof(Upload), z.string()])
const manner = {
  chat_id: chatId,
  caption: z.string().optional(),
  caption_entities: entities.optional(),
  message_thread_id: integer.optional(),
  disable_notification: flag.optional(),
  reply_parameters: replyParameters.optional(),
  reply_markup: wired(keyboard).optional(),
}

const album = wired(
  z.array(z.object({ type: z.string(), media: z.string(), caption: z.string().optional() })),
)

/** Methods that send files, tell where they are, or change what stands under them. */
export const mediaMethods = {
  ...Object.fromEntries(kinds.map((kind) => [nameOf(kind), sending(kind)])),
  sendMediaGroup: method({ ...manner, media: album, parts: z.unknown().optional() }, (parameters, call) => {
    const { media } = parameters
    if (media.length === 0 || media.length > 10) throw badRequest('group send failed: wrong number of media')
    const types = new Set(media.map(({ type }) => (type === 'video' ? 'photo' : type)))
    if (types.size > 1) throw badRequest("can't mix media of these types in one album")
    return media.map(({ type, media: file, caption }) => {
      const kind = kinds.find((one) => one === type)
      if (kind === undefined) throw badRequest('type of media is not supported')
      if (file.startsWith('attach://')) throw badRequest(`file ${file} has not come with the request`)
      return send(kind, { ...parameters, caption }, call.world.files.named(file, kind), call)
    })
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
    ({ chat_id: id, message_id: messageId, caption = '', reply_markup: markup }, { world, flood }) => {
      const chat = world.writable(id)
      const old = chat.messages.get(messageId)
      if (old === undefined) throw badRequest('message to edit not found')
      if (old.from?.id !== world.bot.id) throw badRequest("message can't be edited")
      if (!kinds.some((kind) => old[kind] !== undefined)) {
        throw badRequest('there is no caption in the message to edit')
      }
      flood.spend(id)
      if ((old.caption ?? '') === caption && JSON.stringify(old.reply_markup) === JSON.stringify(markup)) {
        throw badRequest('message is not modified: the new caption is the same as the current one')
      }
      const { caption: _caption, reply_markup: _markup, ...kept } = old
      const message: WireMessage = {
        ...kept,
        edit_date: Math.floor(world.now() / 1000),
        ...(caption === '' ? {} : { caption: world.fixCaption(caption, []).text }),
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
    if (!isImage(bytes)) throw badRequest('IMAGE_PROCESS_FAILED')
  }
  if (kind === 'voice' && Buffer.from(bytes.subarray(0, 4)).toString('latin1') !== 'OggS') {
    world.lint(`${name} is no Ogg, so it is no voice message`)
  }
  return world.files.keep(kind, name, bytes)
}

function isImage(bytes: Uint8Array): boolean {
  const head = Buffer.from(bytes.subarray(0, 12)).toString('latin1')
  return head.startsWith('\u0089PNG') || head.startsWith('\u00ff\u00d8\u00ff') || /^RIFF....WEBP/s.test(head)
}

interface Manner {
  readonly chat_id: number
  readonly caption?: string | undefined
  readonly message_thread_id?: number | undefined
  readonly disable_notification?: boolean | undefined
  readonly reply_parameters?: z.infer<typeof replyParameters> | undefined
  readonly reply_markup?: z.infer<typeof keyboard> | undefined
}

function send(kind: Kind, wanted: Manner, file: StoredFile, { world, flood }: Call): WireMessage {
  const {
    chat_id: id,
    caption,
    message_thread_id: thread,
    reply_parameters: reply,
    reply_markup: markup,
  } = wanted
  const chat = world.writable(id)
  const topic = world.topic(chat, thread)
  if (markup !== undefined) checkKeyboard(markup, world.limits)
  const answered = reply === undefined ? undefined : chat.messages.get(reply.message_id)
  if (reply !== undefined && answered === undefined && reply.allow_sending_without_reply !== true) {
    throw badRequest('message to be replied not found')
  }
  const fixed = caption === undefined || caption === '' ? undefined : world.fixCaption(caption, [])
  flood.spend(id)
  world.endDraft(id, thread)
  return world.put(chat, {
    from: world.bot,
    ...wireFile(kind, file),
    ...(fixed === undefined ? {} : { caption: fixed.text }),
    ...threadOfMessage(chat, topic, answered),
    ...(markup === undefined ? {} : { reply_markup: markup }),
    ...(wanted.disable_notification === true ? { silent: true } : {}),
  })
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
