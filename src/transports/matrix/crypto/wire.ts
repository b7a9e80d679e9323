import { z } from 'zod'

/** What we read of the answers that concern encryption. */

const text = z.string()

/** Of `/keys/query`, for one device. */
export const deviceKeys = z.object({
  device_keys: z
    .record(
      text,
      z.record(
        text,
        z.object({
          keys: z.record(text, text),
          signatures: z.record(text, z.record(text, text)).default({}),
        }),
      ),
    )
    .default({}),
  master_keys: z.record(text, z.unknown()).default({}),
})

export const backupVersion = z.object({
  version: text,
  algorithm: text,
  auth_data: z.looseObject({ public_key: text }),
})

export const newBackup = z.object({ version: text })

/** One room key of the backup. */
export const backedUpKey = z.object({
  session_data: z.object({ ephemeral: text, mac: text, ciphertext: text }),
})

export const defaultKey = z.object({ key: text })

export const keyDescription = z.object({
  algorithm: text,
  iv: text.optional(),
  mac: text.optional(),
})

export const sealedSecret = z.object({ iv: text, ciphertext: text, mac: text })

export const secret = z.object({ encrypted: z.record(text, z.unknown()) })

/** What the account remembers of how far the keys of a device were written. */
export const mark = z.object({ device: text, commits: z.number() })

/** How a server asks for more proof of who we are (User-Interactive Authentication). */
export const proofWanted = z.object({
  session: text,
  flows: z.array(z.object({ stages: z.array(text) })),
  params: z.record(text, z.unknown()).optional().catch(undefined),
})

export const encryptionState = z.object({
  algorithm: text,
  rotation_period_ms: z.number().positive().optional().catch(undefined),
  rotation_period_msgs: z.number().positive().optional().catch(undefined),
})

export const historyVisibility = z.object({ history_visibility: text })

/** What was said from device to device, as we read it. */
export const toDeviceEvent = z.object({
  type: text,
  sender: text,
  content: z.record(text, z.unknown()),
})

export type ToDeviceEvent = z.infer<typeof toDeviceEvent>

/** What an event says about another one. */
export const relation = z.object({ event_id: text })
