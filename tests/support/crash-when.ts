// Loaded before ductor itself (node --import): a fault of ours as soon as the file DUCTOR_CRASH_TRIGGER is there.
import { existsSync, rmSync } from 'node:fs'

const trigger = process.env['DUCTOR_CRASH_TRIGGER']

if (trigger !== undefined && process.argv[1]?.endsWith('ductor.mjs') === true)
  setInterval(() => {
    if (!existsSync(trigger)) return
    rmSync(trigger)
    throw new Error('a fault of ours')
  }, 10).unref()
