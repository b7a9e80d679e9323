import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { memoryFile } from './seed.ts'

/** Bytes of the memory that a new session is given; providers refuse instructions without end. */
export const memoryLimit = 32_000

/** The agent's memory, at most `limit` bytes of it; undefined where there is none. */
export async function readMemory(workspace: string, limit = memoryLimit): Promise<string | undefined> {
  try {
    await using file = await open(join(workspace, memoryFile))
    const { size } = await file.stat()
    const { buffer, bytesRead } = await file.read(
      Buffer.alloc(Math.min(size, limit)),
      0,
      Math.min(size, limit),
      0,
    )
    // A cut may have hit the middle of a letter.
    const text = buffer.toString('utf8', 0, bytesRead).replace(/\uFFFD+$/, '')
    return size > limit ? `${text}\n… (cut here: the file has ${size} bytes)` : text
  } catch {
    // No memory yet, or none that can be read: the session begins without.
    return undefined
  }
}

/** What a new session is told from the beginning. */
export async function instructionsOf(workspace: string): Promise<string> {
  const memory = (await readMemory(workspace))?.trim()
  return [
    'You talk with the person through a chat on their phone. To send a file of the workspace, write <file:/absolute/path> into your answer. To offer buttons, write [button:Label].',
    ...(memory === undefined || memory === '' ? [] : [`Your memory (${memoryFile}):\n\n${memory}`]),
  ].join('\n\n')
}
