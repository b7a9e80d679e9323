import { join } from 'node:path'
import { command, type Command, type ServicePlan, type ServiceRecipe } from './recipe.ts'
import { escapeXml } from './xml.ts'

/**
 * A task of the Task Scheduler that begins when the person logs on. It has no environment of its own, so a small
 * script sets it, and starts ductor again when it ends with 42. `user`: the account, as `whoami` says it.
 */
export function taskScheduler(plan: ServicePlan, user: string): ServiceRecipe {
  const script = join(plan.home, 'run', `${plan.name}.cmd`)
  const task = join(plan.home, 'run', `${plan.name}.xml`)
  const log = join(plan.home, 'logs', 'service.log')
  return {
    system: 'Task Scheduler',
    files: [
      { path: script, text: scriptFile(plan, log) },
      { path: task, text: taskFile(plan, script, user) },
    ],
    reach: [],
    install: [schtasks('/Create', '/TN', plan.name, '/XML', task, '/F'), schtasks('/Run', '/TN', plan.name)],
    start: [schtasks('/Run', '/TN', plan.name)],
    stop: [schtasks('/End', '/TN', plan.name)],
    status: [schtasks('/Query', '/TN', plan.name, '/V', '/FO', 'LIST')],
    logs: [
      command([
        'powershell',
        '-NoProfile',
        '-Command',
        `Get-Content -Tail 100 -LiteralPath '${log.replaceAll("'", "''")}'`,
      ]),
    ],
    uninstall: [
      { ...schtasks('/End', '/TN', plan.name), optional: true },
      { ...schtasks('/Delete', '/TN', plan.name, '/F'), optional: true },
    ],
    afterUninstall: [],
    begins: () => 'It starts whenever you log on.',
  }
}

function scriptFile({ command: line, env, home }: ServicePlan, log: string): string {
  const lines = [
    '@echo off',
    'setlocal',
    ...Object.entries(env).map(([name, value]) => `set "${name}=${percent(value)}"`),
    `if not exist "${percent(join(home, 'logs'))}" mkdir "${percent(join(home, 'logs'))}"`,
    ':again',
    `${line.map((word) => `"${percent(word)}"`).join(' ')} >> "${percent(log)}" 2>&1`,
    'if %ERRORLEVEL% EQU 42 goto again',
    'exit /b %ERRORLEVEL%',
  ]
  return `${lines.join('\r\n')}\r\n`
}

function percent(text: string): string {
  return text.replaceAll('%', '%%')
}

function taskFile({ name, home }: ServicePlan, script: string, user: string): string {
  return `<?xml version="1.0"?>
<Task version="1.2" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task">
  <RegistrationInfo>
    <Description>ductor: coding agents in your chats (${escapeXml(home)})</Description>
    <URI>\\${escapeXml(name)}</URI>
  </RegistrationInfo>
  <Triggers>
    <LogonTrigger>
      <Enabled>true</Enabled>
      <UserId>${escapeXml(user)}</UserId>
    </LogonTrigger>
  </Triggers>
  <Principals>
    <Principal id="Author">
      <UserId>${escapeXml(user)}</UserId>
      <LogonType>InteractiveToken</LogonType>
      <RunLevel>LeastPrivilege</RunLevel>
    </Principal>
  </Principals>
  <Settings>
    <MultipleInstancesPolicy>IgnoreNew</MultipleInstancesPolicy>
    <DisallowStartIfOnBatteries>false</DisallowStartIfOnBatteries>
    <StopIfGoingOnBatteries>false</StopIfGoingOnBatteries>
    <ExecutionTimeLimit>PT0S</ExecutionTimeLimit>
    <RestartOnFailure>
      <Interval>PT1M</Interval>
      <Count>10</Count>
    </RestartOnFailure>
  </Settings>
  <Actions Context="Author">
    <Exec>
      <Command>cmd.exe</Command>
      <Arguments>/d /c &quot;${escapeXml(script)}&quot;</Arguments>
    </Exec>
  </Actions>
</Task>
`
}

function schtasks(...args: string[]): Command {
  return command(['schtasks', ...args])
}
