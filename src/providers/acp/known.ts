import { basename } from 'node:path'
import type { AcpAgent } from '../acp-agent.ts'

type Known = Pick<AcpAgent, 'signIn' | 'handoff'>

/** What is worth knowing about an agent, by the name of its program. */
export function knownAgent(program: string): Known {
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
