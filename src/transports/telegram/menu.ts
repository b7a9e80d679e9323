import type { TransportDeps } from '../../core/define.ts'
import { CallError, type BotApi } from './bot-api.ts'
import { oneLine } from './clean-text.ts'
import { menuTexts } from './menu-texts.ts'

const scopes = ['all_private_chats', 'all_group_chats'] as const
const mostCommands = 100
const longestDescription = 256

/** What Telegram offers to those who type a slash, in the language of their app. Commands work without it. */
export async function setMenu(
  { api, log, commands = [] }: { readonly api: BotApi } & Pick<TransportDeps, 'log' | 'commands'>,
  signal: AbortSignal,
): Promise<void> {
  const offered = commands
    // Others can be typed, but Telegram has no place for them in its menu.
    .filter(({ name }) => /^[a-z0-9_]{1,32}$/.test(name))
    .slice(0, mostCommands)
  if (offered.length === 0) return
  for (const language of [undefined, ...menuTexts.keys()]) {
    const texts = language === undefined ? undefined : menuTexts.get(language)
    const menu = offered.map(({ name, summary }) => ({
      command: name,
      description: oneLine(texts?.[name] ?? summary, longestDescription),
    }))
    for (const type of scopes) {
      const where = { scope: { type }, ...(language === undefined ? {} : { language_code: language }) }
      try {
        await api.call((bot, stop) => bot.setMyCommands(menu, where, stop), signal)
      } catch (error) {
        if (!(error instanceof CallError)) throw error
        log.debug({ ...where, reason: error.message }, 'the menu of commands was not set')
      }
    }
  }
}
