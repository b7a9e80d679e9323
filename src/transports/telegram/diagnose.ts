import type { AdapterDeps, Finding } from '../../core/define.ts'
import { BotApi, CallError } from './bot-api.ts'
import type { TelegramConfig } from './config.ts'

const timeoutMs = 15_000

/** What `doctor` says about Telegram: is the token good, does something else take the messages, what is heard in groups? */
export async function diagnose(
  config: TelegramConfig,
  _deps: AdapterDeps,
  signal: AbortSignal,
): Promise<readonly Finding[]> {
  const { telegram_token: token, telegram_api_root: root } = config
  const api = new BotApi({ token, root, timeoutMs })
  try {
    const me = await api.call((bot, stop) => bot.getMe(stop), signal)
    const { url = '' } = await api.call((bot, stop) => bot.getWebhookInfo(stop), signal)
    return [
      { level: 'ok', what: `telegram: the token is that of @${me.username}` },
      ...(url === '' ? [] : [webhook]),
      ...(deafInGroups(config, me.can_read_all_group_messages) ? [privacy] : []),
    ]
  } catch (error) {
    if (!(error instanceof CallError)) throw error
    return [failure(error)]
  }
}

const webhook: Finding = {
  level: 'warning',
  what: 'telegram: a webhook is set for the bot, so that its messages go elsewhere',
  mend: 'nothing, if it is yours no longer: the next start takes it away and loses none of what waits',
}

const privacy: Finding = {
  level: 'warning',
  what: 'telegram: in groups the bot hears only commands, answers to it and what names it',
  mend: 'to let it hear everything: /setprivacy to @BotFather, Disable, and add the bot to the group anew',
}

function deafInGroups(
  { allowed_group_ids: groups, group_mention_only: only }: TelegramConfig,
  hears: boolean,
): boolean {
  return groups.length > 0 && !only && !hears
}

function failure({ code, message }: CallError): Finding {
  if (code === 401 || code === 404) {
    const mend = 'copy the token anew from @BotFather (/mybots) into telegram_token'
    return { level: 'problem', what: 'telegram: Telegram knows no bot with this token', mend }
  }
  const mend = 'see whether this machine reaches the network, and whether telegram_api_root is right'
  return { level: 'problem', what: `telegram: ${message}`, mend }
}
