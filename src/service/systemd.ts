import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { command, type ServicePlan, type ServiceRecipe } from './recipe.ts'

/** The person that the unit belongs to. */
export interface UnitOwner {
  readonly uid: number
  readonly name: string
}

/** A unit of the person's own systemd: no root is needed. */
export function systemd(plan: ServicePlan, { uid, name }: UnitOwner): ServiceRecipe {
  const unit = `${plan.name}.service`
  const ctl = (...args: string[]) =>
    command(['systemctl', '--user', ...args], { env: whereItListens(uid), mend: withoutItsSystemd })
  // One that has given up after too many tries would refuse to start for minutes.
  const forgive = { ...ctl('reset-failed', unit), optional: true }
  return {
    system: 'systemd',
    files: [{ path: join(plan.userHome, '.config', 'systemd', 'user', unit), text: unitFile(plan) }],
    reach: [ctl('show-environment')],
    install: [
      ctl('daemon-reload'),
      ctl('enable', unit),
      forgive,
      ctl('restart', unit),
      // Refused where only root may; `begins` then says so.
      command(['loginctl', 'enable-linger'], { optional: true }),
    ],
    // Not “start”: what has failed at its start waits before it ends, and counts as running until then.
    start: [forgive, ctl('restart', unit)],
    stop: [ctl('stop', unit)],
    status: [ctl('--no-pager', 'status', unit)],
    logs: [command(['journalctl', '--user', '-q', '-u', unit, '-n', '100', '--no-pager'])],
    uninstall: [{ ...ctl('disable', '--now', unit), optional: true }, forgive],
    afterUninstall: [{ ...ctl('daemon-reload'), optional: true }],
    begins: () =>
      existsSync(join('/var/lib/systemd/linger', name))
        ? 'It starts with this machine.'
        : `It starts when you log in and ends when you log out. To have it run always: sudo loginctl enable-linger ${name}`,
  }
}

/** After `su` or `sudo` the variable that leads to the person's own systemd is missing. */
function whereItListens(uid: number): Readonly<Record<string, string>> {
  const folder = `/run/user/${uid}`
  return process.env['XDG_RUNTIME_DIR'] === undefined && existsSync(folder) ? { XDG_RUNTIME_DIR: folder } : {}
}

function withoutItsSystemd(said: string): string | undefined {
  if (!/connect to bus|not been booted with systemd|ENOENT/.test(said)) return undefined
  return existsSync('/run/systemd/system')
    ? 'You have no systemd of your own here. Log in as this person (by ssh, say, and not with su), and try again.'
    : 'systemd does not run on this machine. Let your own supervisor start “ductor” with DUCTOR_SUPERVISOR=1 in its environment, and start it again when it ends with 42.'
}

function unitFile({ command: line, env, graceSeconds, home }: ServicePlan): string {
  return `[Unit]
Description=ductor: coding agents in your chats (${home.replaceAll('%', '%%')})
# It is never given up: what keeps it from starting (a full disk, say) may pass while nobody looks.
StartLimitIntervalSec=0

[Service]
Type=exec
ExecStart=${line.map(word).join(' ')}
${Object.entries(env)
  .map(([name, value]) => `Environment=${assignment(name, value)}`)
  .join('\n')}
Restart=on-failure
RestartSec=2
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
