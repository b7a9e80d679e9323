import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import type { Heirloom, Log } from '../../core/define.ts'
import { parseExactJson } from '../../lib/exact-json.ts'
import type { MatrixConfig } from './config.ts'
import { CredentialsFile } from './credentials.ts'

const roomIds = z.record(z.string(), z.union([z.number(), z.string()]).transform(String))

const silent: Log = { debug() {}, info() {}, warn() {}, error() {} }

/** The log-in with its device, and the numbers of the rooms, which the conversations are kept under. */
export async function inherit({ matrix }: MatrixConfig, from: string): Promise<Heirloom> {
  const folder = join(from, matrix.store_path)
  const owner = { homeserver: matrix.homeserver, userId: matrix.user_id }
  const logIn = await new CredentialsFile(folder, owner, silent).read({ leaveRights: true })
  const rooms = await roomsIn(join(folder, 'room_id_map.json'))
  const byKey = new Map([...rooms].map(([room, int]) => [`mx:${int}`, room]))
  return {
    found: [
      ...(logIn === undefined ? [] : [`matrix: the log-in of ${logIn.userId} (device ${logIn.deviceId})`]),
      ...(rooms.size === 0
        ? []
        : [`matrix: the numbers of ${rooms.size} ${rooms.size === 1 ? 'room' : 'rooms'}`]),
    ],
    place(key) {
      const room = byKey.get(key)
      return room === undefined ? undefined : { key, transport: 'matrix', chat: room }
    },
    async take({ home, memory, log }) {
      if (logIn !== undefined)
        await new CredentialsFile(join(home, matrix.store_path), owner, log).write(logIn)
      memory.remember(Object.fromEntries([...rooms].map(([room, int]) => [`int:${room}`, int])))
    },
  }
}

async function roomsIn(path: string): Promise<ReadonlyMap<string, string>> {
  try {
    return new Map(Object.entries(roomIds.parse(parseExactJson(await readFile(path, 'utf8')))))
  } catch {
    // Not there, or no map: the numbers are made from the ids anyway, and are the same but for rare collisions.
    return new Map()
  }
}
