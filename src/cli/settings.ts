import { totalmem } from 'node:os'
import type { CoreConfig } from '../config/schema.ts'
import type { AgentSettings } from '../core/agent.ts'

/** What config.json says of the agent, in the agent's own terms. `provider`: the one that was chosen at the start. */
export function settingsOf(core: CoreConfig, provider: string): AgentSettings {
  const { model, reasoning_effort: effort } = core
  const idle = core.idle_timeout_minutes * 60_000
  return {
    provider,
    ...(model === undefined ? {} : { model }),
    ...(effort === undefined ? {} : { effort }),
    permissionMode: core.permission_mode,
    permissionTimeoutMs: core.permission_timeout_minutes * 60_000,
    expiry: {
      idleMs: idle === 0 ? Number.POSITIVE_INFINITY : idle,
      messages: core.max_session_messages ?? Number.POSITIVE_INFINITY,
      ...(core.daily_reset_enabled ? { dailyHour: core.daily_reset_hour } : {}),
      ...(core.user_timezone === '' ? {} : { timeZone: core.user_timezone }),
    },
    mostTurns: core.max_running_turns ?? roomForTurns(),
    fileAccess: core.file_access,
    backlogMaxAgeMs: core.backlog_max_age_minutes * 60_000,
    historyMs: core.history_days * 24 * 3600_000,
    footer: core.scene.technical_footer,
  }
}

/** One turn for each 512 MB of this machine: an agent's CLI takes about half of that, its tools the rest. */
function roomForTurns(): number {
  const limited = process.constrainedMemory()
  const bytes = limited > 0 ? Math.min(limited, totalmem()) : totalmem()
  return Math.min(32, Math.max(4, Math.floor(bytes / 2 ** 29)))
}

/** What config.json adds to the environment of the CLIs. */
export function environmentOf(
  { user_timezone: zone, gemini_api_key: key }: CoreConfig,
  env: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> {
  return {
    ...(key === undefined ? {} : { GEMINI_API_KEY: key }),
    ...env,
    ...(zone === '' ? {} : { TZ: zone }),
  }
}
