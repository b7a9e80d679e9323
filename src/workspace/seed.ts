import { existsSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'

/** Where the agent keeps what it shall not forget, in its workspace. */
export const memoryFile = join('memory_system', 'MAINMEMORY.md')

/** Each CLI reads the rules of a folder from a file of another name. */
const ruleFiles = ['AGENTS.md', 'CLAUDE.md', 'GEMINI.md'] as const

const rules = `# Rules of this workspace

You work on the machine of the person who writes to you, and talk with them through a chat (Telegram, Matrix or a page).
They read on a phone: answer briefly, say what you did and what is left, and keep long output in files.

- Work in this folder unless you are told otherwise. Put what you make for the person into \`output_to_user/\`.
- To send a file, write \`<file:/absolute/path>\` into your answer. It must lie in this folder.
- To offer buttons, write \`[button:Label]\` into your answer; the label comes back as the next message.
- Ask before you delete, publish, pay or send something to other people.
- \`${memoryFile.replaceAll('\\', '/')}\` is your memory across conversations. Keep it short and true: facts about the person, their
  projects and their wishes. Read it when you need it, update it when something lasting changes.
`

const memory = `# Memory

What should be known in every conversation. Short lines; remove what is no longer true.
`

/**
 * Makes what is missing of an agent's workspace. What is there already, whoever wrote it, stays as it is. The rules
 * stand in one file; the files that other CLIs look for refer to it, so that they cannot get out of step.
 */
export async function seedWorkspace(workspace: string): Promise<void> {
  await mkdir(join(workspace, 'output_to_user'), { recursive: true })
  await put(join(workspace, memoryFile), memory)
  const kept = ruleFiles.find((name) => existsSync(join(workspace, name)))
  const source = kept ?? 'AGENTS.md'
  await put(join(workspace, source), rules)
  for (const name of ruleFiles) {
    // AGENTS.md knows no imports: there the agent is asked to read the other file.
    const reference = name === 'AGENTS.md' ? `Read ${source} in this folder and follow it.\n` : `@${source}\n`
    await put(join(workspace, name), reference)
  }
}

async function put(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true })
  try {
    await writeFile(path, text, { flag: 'wx' })
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error
  }
}
