import { homedir } from 'node:os'
import { join } from 'node:path'

/** Claude's own folder, for a Claude with this environment. */
export function claudeFolder(env: Readonly<Record<string, string>>): string {
  return env['CLAUDE_CONFIG_DIR'] ?? join(env['HOME'] ?? homedir(), '.claude')
}
