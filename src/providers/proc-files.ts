import { open } from 'node:fs/promises'
import { StringDecoder } from 'node:string_decoder'

/** As many as Node has threads for files. */
const lanes = 4
/** Bytes: more than a line of `stat`, and most environments. */
const buffered = 8192

/**
 * What `read` makes of the file `/proc/PID/name` of each process; nothing for those that have ended or are not ours.
 * A few at a time, each into a buffer that is used again: `readFile` takes 64 kB for each of these small files, and all
 * of them at once.
 */
export async function readOfEach<T>(
  pids: readonly number[],
  name: 'stat' | 'environ',
  read: (text: string) => T,
): Promise<ReadonlyMap<number, T>> {
  const found = new Map<number, T>()
  const left = pids.values()
  const lane = async (): Promise<void> => {
    const buffer = Buffer.allocUnsafe(buffered)
    for (const pid of left) {
      const text = await textOf(`/proc/${pid}/${name}`, buffer)
      if (text !== undefined) found.set(pid, read(text))
    }
  }
  await Promise.all(Array.from({ length: lanes }, lane))
  return found
}

async function textOf(path: string, buffer: Buffer): Promise<string | undefined> {
  try {
    await using file = await open(path)
    const decoder = new StringDecoder('utf8')
    let text = ''
    for (;;) {
      const { bytesRead } = await file.read(buffer, 0, buffer.length, null)
      if (bytesRead === 0) return text + decoder.end()
      text += decoder.write(buffer.subarray(0, bytesRead))
    }
  } catch {
    return undefined
  }
}
