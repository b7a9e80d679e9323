import type { TransportDeps } from '../../core/define.ts'
import { CallError, type BotApi } from './bot-api.ts'
import { oneLine } from './clean-text.ts'

const scopes = ['all_private_chats', 'all_group_chats'] as const
const mostCommands = 100
const longestDescription = 256

/** What Telegram offers to those who type a slash. Commands work without it. */
export async function setMenu(
  { api, log, commands = [] }: { readonly api: BotApi } & Pick<TransportDeps, 'log' | 'commands'>,
  signal: AbortSignal,
): Promise<void> {
  const menu = commands
    // Others can be typed, but Telegram has no place for them in its menu.
    .filter(({ name }) => /^[a-z0-9_]{1,32}$/.test(name))
    .slice(0, mostCommands)
    .map(({ name, summary }) => ({ command: name, description: oneLine(summary, longestDescription) }))
  if (menu.length === 0) return
  for (const type of scopes) {
    try {
      await api.call((bot, stop) => bot.setMyCommands(menu, { scope: { type } }, stop), signal)
    } catch (error) {
      if (!(error instanceof CallError)) throw error
      log.debug({ scope: type, reason: error.message }, 'the menu of commands was not set')
    }
  }
}
