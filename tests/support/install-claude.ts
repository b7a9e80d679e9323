import { cliEnv, installedCli } from './install-cli.ts'

const claude = installedCli({
  name: 'claude',
  package: '@anthropic-ai/claude-code',
  version: '2.1.330',
  program: 'node_modules/@anthropic-ai/claude-code/bin/claude.exe',
})

/** The real Claude Code. */
export const [claudeBinary] = claude.command

/** Why the tests that need the real Claude Code cannot run here; undefined where they can. */
export function whyNoClaude(): Promise<string | undefined> {
  return claude.why()
}

/** The whole environment of a Claude that talks to `modelUrl`; nothing of this machine's own. `home` is a fresh folder. */
export function claudeEnv(home: string, modelUrl: string): Record<string, string> {
  return {
    ...cliEnv(home),
    ANTHROPIC_API_KEY: 'sk-test-dummy',
    ANTHROPIC_BASE_URL: modelUrl,
    CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
    CLAUDE_CODE_MAX_RETRIES: '1',
  }
}
