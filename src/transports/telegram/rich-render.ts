import type { Content } from '../../core/transport.ts'
import type { View } from '../../core/view.ts'
import { planLines } from '../plan-lines.ts'
import { clean, isBlank, oneLine } from './clean-text.ts'
import { groups, isRun, linesOf, longestLine, type Group, type Shows } from './groups.ts'
import { keyboard, type Keyboard } from './keyboard.ts'
import type { MessageContent } from './render.ts'
import { inRichMessages, isRich, type RichBlock } from './rich.ts'
import { paragraph, richMarkdown } from './rich-markdown.ts'

interface RichMessage extends Content {
  readonly rich: readonly RichBlock[]
  readonly reply_markup?: Keyboard
}

/**
 * Lists the messages of a view for a chat whose people see rich messages. What is not over yet, what is too large and
 * what needs none of it is text, as everywhere.
 */
export class RichRendering {
  readonly #shows: Shows
  readonly #text: (view: View) => readonly MessageContent[]
  readonly #rendered = new WeakMap<View, readonly Content[]>()
  readonly #viewOf = new WeakMap<Content, View>()

  /** `text`: lists the messages as text. */
  constructor(shows: Shows, text: (view: View) => readonly MessageContent[]) {
    this.#shows = shows
    this.#text = text
  }

  render(view: View): readonly Content[] {
    const known = this.#rendered.get(view)
    if (known !== undefined) return known
    const contents = this.#render(view)
    this.#rendered.set(view, contents)
    for (const content of contents) this.#viewOf.set(content, view)
    return contents
  }

  /** Telegram does not take this message: its view is text from now on. */
  refused(content: Content): void {
    const view = this.#viewOf.get(content)
    if (view !== undefined) this.#rendered.set(view, this.#text(view))
  }

  #render(view: View): readonly Content[] {
    const text = this.#text(view)
    if (view.state === 'working') return text
    const blocks = groups(view, this.#shows).flatMap((group) => blocksOf(group, this.#shows))
    const messages = isRich(blocks) ? inRichMessages(blocks) : undefined
    if (messages === undefined) return text
    const rich = messages.map((some, index): RichMessage => {
      const asks = view.choices.length > 0 && index === messages.length - 1
      return { rich: some, ...(asks ? { reply_markup: keyboard(view.choices) } : {}) }
    })
    return [...rich, ...text.filter((content) => 'kind' in content)]
  }
}

function blocksOf(group: Group, { reasoning }: Shows): readonly RichBlock[] {
  if (isRun(group)) {
    const { text, isLong } = linesOf(group)
    return [{ type: isLong ? 'expandable_blockquote' : 'paragraph', text }]
  }
  switch (group.kind) {
    case 'text':
      return richMarkdown(group.text)
    case 'thinking': {
      const thought = reasoning ? clean(group.text).trim() : ''
      return thought === '' ? [] : [{ type: 'expandable_blockquote', text: thought }]
    }
    case 'notice':
      return paragraph(clean(group.text).trim())
    case 'plan':
      return paragraph(clean(planLines(group.entries)).trim())
    case 'footer':
      return isBlank(group.text) ? [] : [{ type: 'footer', text: oneLine(group.text, longestLine) }]
    case 'code': {
      const { language } = group
      const text = clean(group.text).trimEnd()
      return isBlank(text) ? [] : [{ type: 'pre', text, ...(language === undefined ? {} : { language }) }]
    }
  }
}
