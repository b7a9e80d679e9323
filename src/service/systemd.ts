import { join } from 'node:path'
import { command, type Command, type ServicePlan, type ServiceRecipe } from './recipe.ts'

/** A unit of the person's own systemd: no root is needed. */
export function systemd(plan: ServicePlan): ServiceRecipe {
  const unit = `${plan.name}.service`
  return {
    system: 'systemd',
    files: [{ path: join(plan.userHome, '.config', 'systemd', 'user', unit), text: unitFile(plan) }],
    install: [
      ctl('daemon-reload'),
      ctl('enable', unit),
      ctl('restart', unit),
      command(['loginctl', 'enable-linger'], {
        optional: true,
        why: 'so that it also runs while you are logged out',
      }),
    ],
    start: [ctl('start', unit)],
    stop: [ctl('stop', unit)],
    status: [ctl('--no-pager', 'status', unit)],
    logs: [command(['journalctl', '--user', '-u', unit, '-n', '100', '--no-pager'])],
    uninstall: [{ ...ctl('disable', '--now', unit), optional: true }],
    afterUninstall: [{ ...ctl('daemon-reload'), optional: true }],
  }
}

function unitFile({ command: line, env, graceSeconds, home }: ServicePlan): string {
  return `[Unit]
Description=ductor: coding agents in your chats (${home.replaceAll('%', '%%')})
StartLimitIntervalSec=300
StartLimitBurst=10

[Service]
Type=exec
ExecStart=${line.map(word).join(' ')}
${Object.entries(env)
  .map(([name, value]) => `Environment=${assignment(name, value)}`)
  .join('\n')}
Restart=on-failure
RestartSec=5
# 42 is ductor asking for a restart of itself.
RestartForceExitStatus=42
# Only ductor is told to end: it ends its agents in good order.
KillMode=mixed
TimeoutStopSec=${Math.ceil(graceSeconds) + 20}

[Install]
WantedBy=default.target
`
}

/** One word of a command line, as systemd reads it: percent and dollar stand for themselves when doubled. */
function word(text: string): string {
  return quoted(text.replaceAll('$', '$$$$'))
}

function assignment(name: string, value: string): string {
  return quoted(`${name}=${value}`)
}

function quoted(text: string): string {
  const escaped = text
    .replaceAll('%', '%%')
    .replaceAll('\\', '\\\\')
    .replaceAll('"', String.raw`\"`)
  return /^[\w@%+=:,./-]+$/.test(escaped) ? escaped : `"${escaped}"`
}

function ctl(...args: string[]): Command {
  return command(['systemctl', '--user', ...args])
}
