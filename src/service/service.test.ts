import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { launchd } from './launchd.ts'
import type { ServicePlan } from './recipe.ts'
import { systemd } from './systemd.ts'
import { taskScheduler } from './task-scheduler.ts'

/** Paths with everything in them that means something to somebody. */
const plan: ServicePlan = {
  name: 'ductor',
  command: ['/opt/my node/bin/node', '/opt/100% "mine"/$HOME/ductor.mjs'],
  env: { DUCTOR_HOME: '/home/me & you/<ductor>', DUCTOR_SUPERVISOR: '1', PATH: '/usr/bin:/opt/my node/bin' },
  home: '/home/me & you/<ductor>',
  userHome: '/home/me',
  graceSeconds: 10,
}

const me = { uid: 4242, name: 'me' }

function textOf(recipe: ReturnType<typeof systemd>, ending: string): string {
  return recipe.files.find(({ path }) => path.endsWith(ending))?.text ?? ''
}

/** What a real parser makes of it. */
function parsed(script: string, text: string): unknown {
  return JSON.parse(execFileSync('python3', ['-c', script], { input: text, encoding: 'utf8' }))
}

test('the unit of systemd starts exactly our program, again after 42, and gives turns their time', () => {
  const unit = textOf(systemd(plan, me), '/home/me/.config/systemd/user/ductor.service')
  assert.match(
    unit,
    /^ExecStart="\/opt\/my node\/bin\/node" "\/opt\/100%% \\"mine\\"\/\$\$HOME\/ductor\.mjs"$/m,
  )
  assert.match(unit, /^Environment="DUCTOR_HOME=\/home\/me & you\/<ductor>"$/m)
  assert.match(unit, /^Environment=DUCTOR_SUPERVISOR=1$/m)
  assert.match(unit, /^Restart=on-failure$/m)
  assert.match(unit, /^StartLimitIntervalSec=0$/m)
  assert.match(unit, /^RestartForceExitStatus=42$/m)
  assert.match(unit, /^TimeoutStopSec=30$/m)
  assert.match(unit, /^KillMode=mixed$/m)
})

const analyzes = spawnSync('systemd-analyze', ['--version']).status === 0

test(
  'systemd itself finds nothing wrong with the unit',
  { skip: analyzes ? false : 'no systemd-analyze on this machine' },
  () => {
    const folder = mkdtempSync(join(tmpdir(), 'ductor-unit-'))
    try {
      const path = join(folder, 'ductor.service')
      writeFileSync(
        path,
        textOf(systemd({ ...plan, command: [process.execPath, '/opt/x y/%h'] }, me), '.service'),
      )
      const { status, stderr } = spawnSync('systemd-analyze', ['verify', '--user', path], {
        encoding: 'utf8',
        env: { ...process.env, XDG_RUNTIME_DIR: folder },
      })
      assert.doesNotMatch(stderr, /ductor\.service/)
      if (!/bus|XDG_RUNTIME_DIR/.test(stderr)) assert.equal(status, 0, stderr)
    } finally {
      rmSync(folder, { recursive: true })
    }
  },
)

test('the property list of launchd holds the same program, environment and rule of restarting', () => {
  const recipe = launchd(plan, 501)
  const list = parsed(
    'import plistlib, json, sys; print(json.dumps(plistlib.loads(sys.stdin.buffer.read())))',
    textOf(recipe, '/home/me/Library/LaunchAgents/dev.ductor.plist'),
  )
  assert.deepEqual(list, {
    Label: 'dev.ductor',
    ProgramArguments: plan.command,
    EnvironmentVariables: plan.env,
    RunAtLoad: true,
    KeepAlive: { SuccessfulExit: false },
    ThrottleInterval: 5,
    ExitTimeOut: 30,
    ProcessType: 'Interactive',
    StandardOutPath: `${plan.home}/logs/service.log`,
    StandardErrorPath: `${plan.home}/logs/service.log`,
  })
  assert.deepEqual(recipe.install.at(-1)?.args, [
    'bootstrap',
    'gui/501',
    '/home/me/Library/LaunchAgents/dev.ductor.plist',
  ])
})

test('the task of the Task Scheduler runs at log-on without a limit, by a script that starts again after 42', () => {
  const recipe = taskScheduler(plan, 'PC\\me & you')
  const task = textOf(recipe, '.xml')
  const facts = parsed(
    [
      'import json, sys, xml.etree.ElementTree as E',
      "ns = '{http://schemas.microsoft.com/windows/2004/02/mit/task}'",
      'root = E.fromstring(sys.stdin.read())',
      "print(json.dumps({name: root.find('.//' + ns + name).text for name in ['UserId', 'ExecutionTimeLimit', 'Command', 'Arguments', 'RunLevel']}))",
    ].join('\n'),
    task,
  )
  assert.deepEqual(facts, {
    UserId: 'PC\\me & you',
    ExecutionTimeLimit: 'PT0S',
    Command: 'cmd.exe',
    Arguments: `/d /c "${join(plan.home, 'run', 'ductor.cmd')}"`,
    RunLevel: 'LeastPrivilege',
  })
  const script = textOf(recipe, '.cmd').split('\r\n')
  assert.ok(script.includes('set "DUCTOR_SUPERVISOR=1"'))
  assert.ok(script.some((line) => line.includes('"/opt/100%% ')))
  assert.ok(script.includes('if %ERRORLEVEL% EQU 42 goto again'))
})
