import { open } from 'node:fs/promises'

const mostBytes = 32_000

/** The last lines of a text file, at most `count`, oldest first; none where it cannot be read. */
export async function lastLines(path: string, count = 30): Promise<readonly string[]> {
  try {
    await using file = await open(path)
    const { size } = await file.stat()
    const from = Math.max(0, size - mostBytes)
    const { buffer, bytesRead } = await file.read(Buffer.alloc(size - from), 0, size - from, from)
    const lines = buffer.toString('utf8', 0, bytesRead).split('\n')
    // The first may be cut.
    return lines
      .slice(from === 0 ? 0 : 1)
      .filter((line) => line !== '')
      .slice(-count)
  } catch {
    // No log yet.
    return []
  }
}
