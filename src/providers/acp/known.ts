import { basename } from 'node:path'
import type { AcpAgent } from '../acp-agent.ts'
import { keptBy } from '../acp-config.ts'

type Known = Pick<AcpAgent, 'signIn' | 'handoff'>

/** The agent that a block of this name describes. */
export function describedAgent(
  name: string,
  {
    command: [program = name, ...args],
    ...keys
  }: { readonly command: readonly string[] } & Parameters<typeof keptBy>[0],
): AcpAgent {
  return { name, command: [program, ...args], ...knownAgent(program), ...keptBy(keys) }
}

/** What is worth knowing about an agent, by the name of its program. */
function knownAgent(program: string): Known {
  switch (basename(program).replace(/\.exe$/i, '')) {
    case 'opencode':
      return {
        signIn: 'Run `opencode auth login` on this machine.',
        handoff: (sessionId) => [program, '-s', sessionId],
      }
    default:
      return { signIn: 'Sign in with its own program on this machine.' }
  }
}
