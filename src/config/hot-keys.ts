/**
 * The keys of config.json whose change a running ductor acts on; every other one waits for a restart. A transport's own
 * block (`matrix`) is not among them: it says who the bot is.
 */
export const hotKeys: ReadonlySet<string> = new Set([
  'allowed_group_ids',
  'allowed_user_ids',
  'backlog_max_age_minutes',
  'cli_timeout',
  'daily_reset_enabled',
  'daily_reset_hour',
  'file_access',
  'group_mention_only',
  'history_days',
  'idle_timeout_minutes',
  'language',
  'max_budget_usd',
  'max_session_messages',
  'max_turns',
  'model',
  'permission_mode',
  'permission_timeout_minutes',
  'provider',
  'reasoning_effort',
  'scene',
  'session_age_warning_hours',
  'shutdown_grace_seconds',
  'streaming',
  'transcription',
  'user_timezone',
])
