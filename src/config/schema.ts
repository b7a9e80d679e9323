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
  'read-only': 'readOnly',
  readOnly: 'readOnly',
  dontAsk: 'readOnly',
}

const levels = ['debug', 'info', 'warn', 'error'] as const
const oneLevel = `must be one of ${levels.join(', ')}`
const oneMode = `must be one of ${Object.keys(modes).join(', ')}`

const accesses = ['workspace', 'home', 'all'] as const
const oneAccess = `must be one of ${accesses.join(', ')}`
const yesOrNo = z.boolean('must be true or false')

const names = z.array(
  z.string('must be a name in double quotes'),
  'must be a list of names, such as ["telegram", "matrix"]',
)
const span = (unit: string) =>
  z.number(`must be a number of ${unit}`).nonnegative(`must be a number of ${unit}, 0 or more`)

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
    .string('must be a name, "telegram" or "matrix"')
    .optional()
    .describe('The one transport to run; `telegram` where neither this nor `transports` says anything.'),
  transports: names
    .optional()
    .describe('The transports to run side by side; wins over `transport` when it is not empty.'),
  provider: z
    .string('must be a name, such as "claude"')
    .optional()
    .describe('Which CLI answers; the best one found where it is left out.'),
  model: z
    .string('must be the name of a model, in double quotes')
    .optional()
    .describe('The model that the CLI shall use; its own choice where it is left out.'),
  reasoning_effort: z
    .string('must be a name, such as "medium"')
    .optional()
    .describe(
      'How hard the model thinks, by the CLI’s own name for it; its own choice where it is left out.',
    ),
  permission_mode: z
    .string(oneMode)
    .default('ask')
    // Not one that merely comes near: a wrong guess would let the agent do what nobody allowed.
    .refine((mode) => Object.hasOwn(modes, mode), oneMode)
    .transform((mode) => modes[mode] ?? 'ask')
    .describe(
      'What the agent may do without asking: `readOnly`, `ask`, `acceptEdits`, `plan` or `bypassPermissions`.',
    ),
  permission_timeout_minutes: span('minutes')
    .positive('must be a number of minutes, more than 0')
    .default(30)
    .describe('After which a request that nobody answers is denied.'),
  file_access: z
    .enum(accesses, oneAccess)
    .default('workspace')
    .describe(
      'Which files the agent may send into a chat: those of its `workspace`, of your `home` folder, or `all`.',
    ),
  idle_timeout_minutes: span('minutes')
    .default(1440)
    .describe(
      'A session without a message for so long is over; the next message begins a new one. 0: never.',
    ),
  daily_reset_enabled: yesOrNo.default(false).describe('Does a new session begin every day?'),
  daily_reset_hour: z
    .int('must be an hour, 0 to 23')
    .min(0, 'must be an hour, 0 to 23')
    .max(23, 'must be an hour, 0 to 23')
    .default(4)
    .describe('At which hour of `user_timezone`, where `daily_reset_enabled` is true.'),
  max_session_messages: z
    .int('must be a number of messages, or null')
    .positive('must be a number of messages, or null')
    .nullable()
    .default(null)
    .describe('After so many messages a new session begins.'),
  max_running_turns: z
    .int('must be a number of turns, or null')
    .positive('must be a number of turns, or null')
    .nullable()
    .default(null)
    .describe(
      'So many turns run at once; what is beyond waits, and is told so. `null`: one for each 512 MB of memory, 4 to 32.',
    ),
  gemini_api_key: z
    .string('must be a key, in double quotes')
    .nullish()
    // What the Python program wrote for none.
    .transform((key) => (key === null || key === '' || key === 'null' ? undefined : key))
    .describe('Given to Gemini as GEMINI_API_KEY, where the environment has none.'),
  transcription: z
    .object(
      {
        audio_command: z
          .union(
            [
              z.array(z.string()).min(1),
              z
                .string()
                .min(1)
                .transform((text) => text.trim().split(/\s+/)),
            ],
            'must be a program and its arguments, such as ["whisper-cli", "--txt"]',
          )
          .transform(([program = '', ...args]): readonly [string, ...string[]] => [program, ...args])
          .optional()
          .describe(
            'The program that writes a voice message down: it is given the file last, and prints the text.',
          ),
      },
      'must be a block: { … }',
    )
    .prefault({})
    .describe('How voice messages become text.'),
  scene: z
    .object(
      {
        technical_footer: yesOrNo
          .default(false)
          .describe('Does each answer end with a line about model, time, tokens and cost?'),
      },
      'must be a block: { … }',
    )
    .prefault({})
    .describe('What is shown around an answer.'),
  providers: z
    .record(
      z.string(),
      z.record(z.string(), z.unknown(), 'must be a block: { … }'),
      'must be a block with the name of each provider: { "claude": { … } }',
    )
    .default({})
    .describe('Settings of each provider, by its name: `command`, `env` and more.'),
  log_level: z
    .string(oneLevel)
    .toLowerCase()
    .transform((level) => (level === 'warning' ? 'warn' : level))
    .pipe(z.enum(levels, oneLevel))
    .prefault('info')
    .describe('How much the log tells: `debug`, `info`, `warn` or `error`.'),
  user_timezone: z
    .string('must be the name of a time zone, such as "Europe/Berlin"')
    .refine(
      (name) => name === '' || isTimezone(name),
      'must be the name of a time zone, such as "Europe/Berlin"',
    )
    .default('')
    .describe(
      'The time zone that the agent lives in, by its IANA name; this machine’s where it is left out.',
    ),
  shutdown_grace_seconds: span('seconds')
    .default(10)
    .describe('How long running turns may go on when ductor is told to stop.'),
  backlog_max_age_minutes: span('minutes').default(60).describe('Older messages are not run without asking.'),
  history_days: span('days')
    .default(90)
    .describe(
      'How long what is finished stays in the store, what people sent in `workspace/*_files/`, and what was said on the page.',
    ),
})

export type CoreConfig = z.infer<typeof schema>

/** Keys that the product family knows and that this version does not act on yet. */
export const notYet: ReadonlySet<string> = new Set(
  `claude_account claude_accounts consult_wipe consult_wipe_hour ductor_home managed_topics persona_prompt
    slack session_age_warning_hours language max_budget_usd max_turns cli_timeout
    allowed_channel_ids interagent_port update_check append_system_prompt_files project_roots docker
    heartbeat memory_flush memory_reflection memory_compaction cleanup webhooks api
    cli_parameters image timeouts tasks cron_delivery_retry cron_preflight notifications
    skills`.split(/\s+/),
)
