import type { Content, OwnAnswer, OwnCommand } from '../../core/transport.ts'
import { DeliveryError } from '../../core/transport.ts'
import type { Place } from '../../core/message.ts'
import { isGroup } from './budget.ts'
import { richMarkdown } from './rich-markdown.ts'

export interface RichCommandDeps {
  /** Sends a message once. Throws `DeliveryError`. */
  readonly show: (place: Place, content: Content) => Promise<void>
  readonly isOn: (chat: string) => boolean
  /** Throws when the disk will not take it. */
  readonly turn: (chat: string, on: boolean) => void
}

const sample = `# A rich message

| What | Seen? |
| --- | --- |
| a heading | ✓ |
| a table | ✓ |`

/**
 * `/rich`: whether answers with tables, headings and lists come as rich messages in this chat. Apps that cannot show
 * them show nothing, and a bot cannot tell: so a person has to say that they see one before any answer becomes one.
 */
export function richCommand({ show, isOn, turn }: RichCommandDeps): OwnCommand {
  const ask = async (place: Place): Promise<OwnAnswer> => {
    try {
      await show(place, { rich: richMarkdown(sample) })
    } catch (error) {
      if (!(error instanceof DeliveryError)) throw error
      return { text: `Telegram did not take a rich message here, so nothing changes: ${error.message}.` }
    }
    const everybody = isGroup(place.chat) ? ' Everybody in this group has to see it.' : ''
    return {
      text: `Above is a heading with a table under it, unless the app is too old for them: then there is nothing, or a word that it cannot be shown. Is the table there?${everybody}`,
      offers: [
        { label: 'Yes, I see it', args: 'yes', style: 'primary' },
        { label: 'No', args: 'off' },
      ],
    }
  }
  return {
    name: 'rich',
    usage: '[on|off]',
    summary: 'tables, headings and lists as Telegram shows them itself',
    async run(args, place) {
      switch (args.toLowerCase()) {
        case 'on':
          return ask(place)
        case 'yes':
          turn(place.chat, true)
          return {
            text: 'Answers with tables, headings or lists come as rich messages in this chat from now on. /rich off takes it back.',
          }
        case 'off':
          turn(place.chat, false)
          return { text: 'Answers come as text in this chat. /rich on tries rich messages again.' }
        default:
          return { text: words(isOn(place.chat)) }
      }
    },
  }
}

function words(on: boolean): string {
  return on
    ? 'Answers with tables, headings or lists come as rich messages in this chat. /rich off makes them text.'
    : 'Answers come as text in this chat, tables in letters of a fixed width. /rich on shows a rich message, and asks whether you see it.'
}
