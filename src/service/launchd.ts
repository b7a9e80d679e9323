import { join } from 'node:path'
import { command, type ServicePlan, type ServiceRecipe } from './recipe.ts'
import { escapeXml } from './xml.ts'

/** An agent of the person's own launchd. `uid`: the number of the person's account. */
export function launchd(plan: ServicePlan, uid: number): ServiceRecipe {
  const label = `dev.${plan.name}`
  const path = join(plan.userHome, 'Library', 'LaunchAgents', `${label}.plist`)
  const target = `gui/${uid}/${label}`
  const log = join(plan.home, 'logs', 'service.log')
  return {
    system: 'launchd',
    files: [{ path, text: plist(plan, label, log) }],
    reach: [],
    install: [
      command(['launchctl', 'bootout', target], { optional: true }),
      command(['launchctl', 'enable', target]),
      command(['launchctl', 'bootstrap', `gui/${uid}`, path]),
    ],
    start: [
      command(['launchctl', 'bootstrap', `gui/${uid}`, path], { optional: true }),
      // -k: what has failed at its start waits before it ends.
      command(['launchctl', 'kickstart', '-k', target]),
    ],
    // It stays installed: the next log-in, or “start”, brings it back.
    stop: [command(['launchctl', 'bootout', target])],
    status: [command(['launchctl', 'print', target])],
    logs: [command(['tail', '-n', '100', log])],
    uninstall: [command(['launchctl', 'bootout', target], { optional: true })],
    afterUninstall: [],
    begins: () => 'It starts whenever you log in.',
  }
}

/** launchd starts it again whenever it ends otherwise than well: 42, a restart, is one of those. */
function plist({ command: line, env, graceSeconds }: ServicePlan, label: string, log: string): string {
  return `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
  <key>Label</key>
  ${text(label)}
  <key>ProgramArguments</key>
  <array>
${line.map((one) => `    ${text(one)}`).join('\n')}
  </array>
  <key>EnvironmentVariables</key>
  <dict>
${Object.entries(env)
  .map(([name, value]) => `    <key>${escapeXml(name)}</key>\n    ${text(value)}`)
  .join('\n')}
  </dict>
  <key>RunAtLoad</key>
  <true/>
  <key>KeepAlive</key>
  <dict>
    <key>SuccessfulExit</key>
    <false/>
  </dict>
  <key>ThrottleInterval</key>
  <integer>5</integer>
  <key>ExitTimeOut</key>
  <integer>${Math.ceil(graceSeconds) + 20}</integer>
  <key>ProcessType</key>
  <string>Interactive</string>
  <key>StandardOutPath</key>
  ${text(log)}
  <key>StandardErrorPath</key>
  ${text(log)}
</dict>
</plist>
`
}

function text(value: string): string {
  return `<string>${escapeXml(value)}</string>`
}
