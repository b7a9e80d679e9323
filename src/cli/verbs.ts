import type { Call } from './main.ts'
import type { Option } from './options.ts'

export interface Verb {
  readonly summary: string
  readonly options?: Readonly<Record<string, Option>>
  /** Options that only a look at the adapters can tell. */
  readonly more?: () => Promise<Readonly<Record<string, Option>>>
  /** How many words may follow it; none where it says nothing. */
  readonly words?: number
  /** As help shows what may follow. */
  readonly arguments?: string
  /** Resolves with what carries it out and gives the exit code. */
  load(): Promise<{ default: (call: Call) => Promise<number> }>
}

const json = { json: { type: 'boolean', says: 'for a script' } } as const
const yes = { yes: { type: 'boolean', short: 'y', says: 'without asking' } } as const

export const verbs: Readonly<Record<string, Verb>> = {
  run: {
    summary: 'run in the foreground (the same as no verb)',
    load: () => import('./run.ts'),
  },
  onboarding: {
    summary: 'set ductor up: asks, tests, writes config.json',
    arguments: '[--non-interactive …]',
    options: {
      'non-interactive': { type: 'boolean', says: 'ask nothing: every answer is given by an option' },
    },
    more: async () => (await import('./onboarding/options.ts')).onboardingOptions(),
    load: () => import('./onboarding.ts'),
  },
  try: {
    summary: 'a chat page on this machine, without any configuration',
    options: {
      port: { type: 'string', says: 'of the page; 0 takes any that is free' },
      provider: { type: 'string', says: 'which agent answers' },
    },
    arguments: '[--port N] [--provider NAME]',
    load: () => import('./try.ts'),
  },
  status: {
    summary: 'is it running, and how does it fare?',
    options: json,
    arguments: '[--json]',
    load: () => import('./status.ts'),
  },
  doctor: {
    summary: 'check everything that can be wrong',
    options: { ...json, fix: { type: 'boolean', says: 'mend what can be mended without a risk' } },
    arguments: '[--json] [--fix]',
    load: () => import('./doctor.ts'),
  },
  trace: {
    summary: 'the life of one message, by its id',
    options: json,
    words: 1,
    arguments: 'ID [--json]',
    load: () => import('./trace.ts'),
  },
  logs: {
    summary: 'what the log says, in readable lines',
    options: {
      follow: { type: 'boolean', short: 'f', says: 'go on with what comes' },
      lines: { type: 'string', short: 'n', says: 'how many of the last; 50 unless told' },
    },
    arguments: '[-f] [-n N]',
    load: () => import('./logs.ts'),
  },
  stop: { summary: 'stop the running ductor', load: () => import('./stop.ts') },
  restart: { summary: 'stop it and start it anew, as it was started', load: () => import('./restart.ts') },
  service: {
    summary: 'run whenever this machine does',
    words: 1,
    arguments: 'install|status|start|stop|logs|uninstall',
    options: { print: { type: 'boolean', says: 'with install: show the file and the commands, do nothing' } },
    load: () => import('./service.ts'),
  },
  install: {
    summary: 'add what a transport needs beyond the base; without a name, list it',
    words: 1,
    arguments: '[NAME]',
    load: () => import('./install.ts'),
  },
  agents: {
    summary: 'sub-agents: list them, add one by asking, remove one',
    words: 2,
    arguments: 'list | add NAME | remove NAME',
    options: {
      ...yes,
      home: { type: 'boolean', says: 'with remove: its folder, too' },
      transport: { type: 'string', says: 'with add: where it talks' },
      'non-interactive': { type: 'boolean', says: 'ask nothing: every answer is given by an option' },
    },
    more: async () => (await import('./onboarding/options.ts')).agentOptions(),
    load: () => import('./agents.ts'),
  },
  import: {
    summary: 'take over the home of the Python program',
    words: 1,
    arguments: '[PATH] [--yes]',
    options: yes,
    load: () => import('./import.ts'),
  },
  upgrade: {
    summary: 'install the newest version, and go back if it does not come up',
    arguments: '[--to VERSION] [--wait SECONDS]',
    options: {
      to: { type: 'string', says: 'a version, or a packed file' },
      wait: { type: 'string', says: 'how long it has to connect again; 60 unless told' },
    },
    load: () => import('./upgrade.ts'),
  },
  reset: {
    summary: 'delete what ductor keeps in its home',
    options: { ...yes, workspace: { type: 'boolean', says: "the agent's own files, too" } },
    arguments: '[--workspace] [--yes]',
    load: () => import('./reset.ts'),
  },
  uninstall: {
    summary: 'remove the service, the program and, if you like, the home',
    options: { ...yes, home: { type: 'boolean', says: 'the home folder, too' } },
    arguments: '[--home] [--yes]',
    load: () => import('./uninstall.ts'),
  },
}
