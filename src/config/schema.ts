import { z } from 'zod'
import type { PermissionMode } from '../core/provider.ts'

const modes: Readonly<Record<string, PermissionMode>> = {
  ask: 'ask',
  default: 'ask',
  acceptEdits: 'acceptEdits',
  'workspace-write': 'acceptEdits',
  plan: 'plan',
  bypassPermissions: 'bypassPermissions',
  'full-access': 'bypassPermissions',
}

const names = z.array(z.string(), 'a list of names is needed, such as ["telegram", "matrix"]')
const positive = (unit: string) =>
  z.number(`a number of ${unit} is needed`).nonnegative(`a number of ${unit}, 0 or more, is needed`)

function isTimezone(name: string): boolean {
  try {
    return Intl.DateTimeFormat(undefined, { timeZone: name }).resolvedOptions().timeZone !== ''
  } catch {
    // Not a name that the time zone database knows.
    return false
  }
}

/** The keys of config.json that belong to no adapter. */
export const schema = z.object({
  transport: z
    .string('a name is needed, "telegram" or "matrix"')
    .optional()
    .describe('The one transport to run.'),
  transports: names
    .optional()
    .describe('The transports to run side by side; wins over `transport` when it is not empty.'),
  provider: z
    .string('a name is needed, such as "claude"')
    .optional()
    .describe('Which CLI answers; the best one found where it is left out.'),
  model: z
    .string()
    .optional()
    .describe('The model that the CLI shall use; its own choice where it is left out.'),
  permission_mode: z
    .string()
    .default('ask')
    .refine((mode) => mode in modes, `one of ${Object.keys(modes).join(', ')} is needed`)
    .transform((mode) => modes[mode] ?? 'ask')
    .describe('What the agent may do without asking: `ask`, `acceptEdits`, `plan` or `bypassPermissions`.'),
  providers: z
    .record(z.string(), z.unknown())
    .default({})
    .describe('Settings of each provider, by its name: `command`, `env` and more.'),
  log_level: z
    .string()
    .toLowerCase()
    .pipe(z.enum(['debug', 'info', 'warn', 'error'], 'one of debug, info, warn, error is needed'))
    .default('info')
    .describe('How much the log tells.'),
  user_timezone: z
    .string()
    .refine((name) => name === '' || isTimezone(name), 'a time zone such as "Europe/Berlin" is needed')
    .default('')
    .describe('The time zone of the person, by its IANA name.'),
  shutdown_grace_seconds: positive('seconds')
    .default(10)
    .describe('How long running turns may go on when ductor is told to stop.'),
  backlog_max_age_minutes: positive('minutes')
    .default(60)
    .describe('Older messages are not run without asking.'),
  history_days: positive('days').default(90).describe('How long finished rows stay in the store.'),
})

export type CoreConfig = z.infer<typeof schema>

/** Keys that the product family knows and that this version does not act on yet. */
export const notYet: ReadonlySet<string> = new Set(
  `ductor_home idle_timeout_minutes session_age_warning_hours daily_reset_hour daily_reset_enabled language max_budget_usd max_turns
   max_session_messages cli_timeout reasoning_effort file_access gemini_api_key allowed_channel_ids interagent_port update_check
   append_system_prompt_files project_roots streaming docker heartbeat memory_flush memory_reflection memory_compaction
   cleanup webhooks api cli_parameters image timeouts tasks cron_delivery_retry
   cron_preflight scene notifications transcription skills permission_timeout_minutes`.split(/\s+/),
)
