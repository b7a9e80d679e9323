import { innerCommand } from './shell-words.ts'
import type { FileChange, Item } from './wire.ts'

const titleLimit = 80

/** A tool in a few words on one line; undefined for what is no tool. */
export function toolTitle(item: Item): string | undefined {
  switch (item.type) {
    case 'commandExecution':
      return oneLine(`Run: ${innerCommand(item.command)}`)
    case 'fileChange':
      return oneLine(`Change: ${item.changes.map(({ path }) => path).join(', ')}`)
    case 'mcpToolCall':
      return oneLine(`${item.server}: ${item.tool}`)
    case 'webSearch':
      return oneLine(`Search the web${item.query ? `: ${item.query}` : ''}`)
    case 'imageView':
      return oneLine(`Look at a picture: ${item.path}`)
    case 'imageGeneration':
      return 'Draw a picture'
    case 'collabAgentToolCall':
      return oneLine(`Agents: ${item.tool}`)
    case 'userMessage':
    case 'agentMessage':
    case 'plan':
    case 'reasoning':
    case 'contextCompaction':
    case 'other':
      return undefined
  }
}

/** All changes as one diff. Nothing is left out: the person decides by this. */
export function diffOf(changes: readonly FileChange[]): string {
  return changes
    .map(({ path, kind, diff }) => {
      const whole = (sign: string) =>
        diff
          .replace(/\n$/, '')
          .split('\n')
          .map((line) => `${sign}${line}`)
          .join('\n')
      if (kind.type === 'add') return `--- /dev/null\n+++ ${path}\n${whole('+')}`
      if (kind.type === 'delete') return `--- ${path}\n+++ /dev/null\n${whole('-')}`
      return `--- ${path}\n+++ ${kind.move_path ?? path}\n${diff.trimEnd()}`
    })
    .join('\n')
}

function oneLine(text: string): string {
  const line = text.replaceAll(/\s+/g, ' ').trim()
  return line.length > titleLimit ? `${line.slice(0, titleLimit - 1)}…` : line
}
