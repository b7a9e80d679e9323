/**
 * The keys of config.json whose change a running ductor acts on, from the next turn on; every other one waits for a
 * restart.
 */
export const hotKeys: ReadonlySet<string> = new Set([
  'allowed_group_ids',
  'allowed_user_ids',
  'backlog_max_age_minutes',
  'daily_reset_enabled',
  'daily_reset_hour',
  'file_access',
  'group_mention_only',
  'history_days',
  'idle_timeout_minutes',
  'log_level',
  'max_running_turns',
  'max_session_messages',
  'model',
  'permission_mode',
  'permission_timeout_minutes',
  'provider',
  'reasoning_effort',
  'scene',
  'shutdown_grace_seconds',
])
