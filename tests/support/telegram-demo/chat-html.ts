import { z } from 'zod'
import type { WireEntity } from '../../../src/transports/telegram/telegram-entities.fake.ts'
import type {
  WireBlock,
  WireCell,
  WireItem,
  WireText,
} from '../../../src/transports/telegram/telegram-rich.fake.ts'
import type { FakeTelegram } from '../../../src/transports/telegram/telegram.fake.ts'
import type { WireMessage } from '../../../src/transports/telegram/telegram-world.fake.ts'

/** What a chat looks like to the person in it, as far as HTML can show it. */
export function chatHtml(telegram: FakeTelegram, chat: number, thread?: number): string {
  const here = telegram
    .messages(chat)
    .filter((message) => message.message_thread_id === thread || message.message_id === thread)
  const messages = [...Map.groupBy(here, (message) => message['media_group_id'] ?? message).values()].map(
    (group) => {
      const html = group.map((message) => messageHtml(message, telegram)).join('')
      return group.length > 1 ? `<section class="album">${html}</section>` : html
    },
  )
  const draft = telegram.draft(chat, thread)
  if (draft === undefined) return messages.join('\n')
  const text = draft.text === '' ? '<i>Thinking …</i>' : textHtml(draft.text, draft.entities)
  const stop = draft.canStop ? '<div class="keyboard"><button data-stop>■ Stop</button></div>' : ''
  return [...messages, `<article class="bot draft"><div class="text">${text}</div>${stop}</article>`].join(
    '\n',
  )
}

function messageHtml(message: WireMessage, telegram: FakeTelegram): string {
  const { message_id: id, from, text, entities = [], caption, reply_markup: markup, chat } = message
  const { rich_message: rich } = message
  const news = newsOf(message)
  if (news !== undefined) return `<p class="news">${escape(news)}</p>`
  const mine = from?.id === telegram.bot.id
  const reaction = telegram.reaction(chat.id, id)
  const words =
    rich === undefined
      ? text === undefined
        ? escape(caption ?? '')
        : textHtml(text, entities)
      : rich.blocks.map(blockHtml).join('')
  return [
    `<article class="${mine ? 'bot' : 'person'}" data-id="${id}">`,
    pictureHtml(message, telegram) ?? fileHtml(message),
    words === '' ? '' : `<div class="text">${words}</div>`,
    message.edit_date === undefined ? '' : '<small>edited</small>',
    reaction === undefined ? '' : `<span class="reaction">${reaction}</span>`,
    ...(markup?.inline_keyboard ?? []).map(
      (row) =>
        `<div class="keyboard">${row
          .map(
            ({ text: label, style }) =>
              `<button class="${style ?? ''}" data-message="${id}" data-label="${escape(label)}">${escape(label)}</button>`,
          )
          .join('')}</div>`,
    ),
    '</article>',
  ].join('')
}

function newsOf(message: WireMessage): string | undefined {
  if (message['forum_topic_created'] !== undefined) return 'The topic was opened'
  return message['supergroup_chat_created'] === undefined ? undefined : 'The group was made'
}

const signs: Readonly<Record<string, string>> = {
  photo: '🖼',
  document: '📄',
  video: '🎬',
  audio: '🎵',
  voice: '🎤',
  animation: '🎞',
}

const pictureTypes = { '\u0089': 'png', '\u00ff': 'jpeg', R: 'webp' } as const
const photos = z.array(z.object({ file_id: z.string() }))

/** A photo, as long as it is one that a browser can show. */
function pictureHtml({ photo }: WireMessage, telegram: FakeTelegram): string | undefined {
  const largest = photos.safeParse(photo).data?.at(-1)
  if (largest === undefined) return undefined
  const { bytes, name } = telegram.world.files.named(largest.file_id, 'photo')
  const head = String.fromCharCode(bytes[0] ?? 0)
  const type = Object.entries(pictureTypes).find(([first]) => first === head)?.[1]
  if (type === undefined) return undefined
  const data = Buffer.from(bytes).toString('base64')
  return `<img alt="${escape(name)}" src="data:image/${type};base64,${data}" />`
}

function fileHtml(message: WireMessage): string {
  const kind = Object.keys(signs).find((one) => message[one] !== undefined)
  if (kind === undefined) return ''
  const about: unknown = message[kind]
  const name =
    typeof about === 'object' && about !== null && 'file_name' in about ? String(about.file_name) : kind
  return `<div class="file">${signs[kind]} ${escape(name)}</div>`
}

const tags: Readonly<Record<string, string>> = {
  bold: 'b',
  italic: 'i',
  underline: 'u',
  strikethrough: 's',
  code: 'code',
  pre: 'pre',
  blockquote: 'blockquote',
  expandable_blockquote: 'blockquote',
}

/** Text and its looks. Each stretch between two ends of looks gets all tags that hold there. */
export function textHtml(text: string, entities: readonly WireEntity[]): string {
  const blocks = entities.filter(({ type }) => type === 'pre' || type.endsWith('blockquote'))
  const inner = (from: number, to: number, without: readonly WireEntity[]): string => {
    const block = blocks.find(
      (one) => !without.includes(one) && one.offset >= from && one.offset + one.length <= to,
    )
    if (block === undefined)
      return inline(
        text,
        from,
        to,
        entities.filter((one) => !blocks.includes(one)),
      )
    const end = block.offset + block.length
    const tag = tags[block.type] ?? 'span'
    const title = block.language === undefined ? '' : ` data-language="${escape(block.language)}"`
    const folded = block.type === 'expandable_blockquote' ? ' class="folded"' : ''
    return (
      inner(from, block.offset, without).replace(/\n$/, '') +
      `<${tag}${title}${folded}>${inner(block.offset, end, [...without, block])}</${tag}>` +
      inner(end, to, without).replace(/^\n/, '')
    )
  }
  return inner(0, text.length, [])
}

function inline(text: string, from: number, to: number, entities: readonly WireEntity[]): string {
  const here = entities.filter(({ offset, length }) => offset < to && offset + length > from)
  const ends = new Set([from, to])
  for (const { offset, length } of here) {
    ends.add(Math.max(from, offset))
    ends.add(Math.min(to, offset + length))
  }
  const points = [...ends].toSorted((a, b) => a - b)
  return points
    .slice(0, -1)
    .map((start, index) => {
      const end = points[index + 1] ?? to
      return here
        .filter(({ offset, length }) => offset <= start && offset + length >= end)
        .reduce((html, look) => wrap(html, look), escape(text.slice(start, end)))
    })
    .join('')
}

function wrap(html: string, { type, url }: WireEntity): string {
  if (type === 'text_link') return `<a href="${escape(url ?? '')}">${html}</a>`
  const tag = tags[type]
  return tag === undefined ? html : `<${tag}>${html}</${tag}>`
}

function blockHtml(block: WireBlock): string {
  switch (block.type) {
    case 'divider':
      return '<hr />'
    case 'heading':
      return `<h${block.size}>${richHtml(block.text)}</h${block.size}>`
    case 'pre':
      return `<pre data-language="${escape(block.language ?? '')}">${richHtml(block.text)}</pre>`
    case 'paragraph':
      return `<p>${richHtml(block.text)}</p>`
    case 'footer':
      return `<footer>${richHtml(block.text)}</footer>`
    case 'expandable_blockquote':
      return `<blockquote class="folded">${richHtml(block.text)}</blockquote>`
    case 'blockquote':
      return `<blockquote>${block.blocks.map(blockHtml).join('')}</blockquote>`
    case 'list':
      return `<ul>${block.items.map(itemHtml).join('')}</ul>`
    case 'table':
      return `<table>${block.cells.map((row) => `<tr>${row.map(cellHtml).join('')}</tr>`).join('')}</table>`
  }
}

function itemHtml({ blocks, value, has_checkbox: box, is_checked: checked }: WireItem): string {
  const mark = box === true ? (checked === true ? '☑' : '☐') : value === undefined ? '•' : `${value}.`
  return `<li><span>${mark}</span><div>${blocks.map(blockHtml).join('')}</div></li>`
}

function cellHtml({ text = '', align, is_header: head }: WireCell): string {
  const tag = head === true ? 'th' : 'td'
  return `<${tag} style="text-align: ${align}">${richHtml(text)}</${tag}>`
}

function richHtml(text: WireText): string {
  if (typeof text === 'string') return escape(text)
  if (!('type' in text)) return text.map(richHtml).join('')
  const { type, url } = text
  const inner = richHtml(text.text)
  return wrap(inner, {
    type: type === 'url' ? 'text_link' : type,
    offset: 0,
    length: 0,
    ...(url === undefined ? {} : { url }),
  })
}

function escape(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
}
