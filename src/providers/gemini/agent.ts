import { homedir } from 'node:os'
import { join } from 'node:path'
import type { z } from 'zod'
import type { ProviderDeps } from '../../core/define.ts'
import type { AcpAgent } from '../acp-agent.ts'
import { keptBy } from '../acp-config.ts'
import type { config } from './config.ts'
import { GeminiFiles } from './files.ts'
import { health, signIn } from './health.ts'
import { oneShot } from './one-shot.ts'

/** Gemini, with all that is special about it, and the environment that it needs. */
export function geminiAgent(
  settings: z.infer<typeof config>,
  deps: Pick<ProviderDeps, 'home' | 'env'>,
): { readonly agent: AcpAgent; readonly env: Readonly<Record<string, string>> } {
  const env: Readonly<Record<string, string>> = {
    // Its launcher starts it anew as a child, and keeps every signal from it.
    GEMINI_CLI_NO_RELAUNCH: 'true',
    // The person chose the folder by giving it to ductor, and is asked before anything happens in it.
    GEMINI_CLI_TRUST_WORKSPACE: 'true',
    ...deps.env,
    ...settings.env,
  }
  const [program = 'gemini', ...first] = settings.command ?? []
  const command: readonly [string, ...string[]] = [program, ...first]
  const root = join(env['GEMINI_CLI_HOME'] ?? env['HOME'] ?? homedir(), '.gemini')
  const files = new GeminiFiles(root)
  const kept = keptBy(settings)
  const named = { name: 'Gemini', signIn }
  const agent: AcpAgent = {
    ...named,
    ...kept,
    command: [program, ...first, '--acp'],
    signedOutCode: 41,
    signedOutLine: /visit the following URL to authorize/,
    asides: /^\[MODE_UPDATE\] \w+$/,
    replaysLate: true,
    loadsIn: (sessionId) => files.loadsIn(sessionId),
    afterLoad: (sessionId) => files.removeHusks(sessionId),
    sessions: (cwd) => files.sessions(cwd),
    handoff: (sessionId) => [...command, '--resume', sessionId],
    oneShot: (turn, signal, ledger) =>
      oneShot(turn, signal, { agent: named, command, env, patience: kept.patience, ledger }),
    check: (signal) => health(command, { root, env, cwd: deps.home }, signal),
  }
  return { agent, env }
}
