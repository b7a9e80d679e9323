import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Log } from '../../core/define.ts'
import { openDatabase, storeFile } from '../../store/open.ts'
import { sqliteStore, type SqliteStore } from '../../store/sqlite-store.ts'
import { writeConfig } from '../onboarding/write.ts'
import { copyFiles } from './files.ts'
import type { ImportPlan, PlacedSession } from './plan.ts'

const silent: Log = { debug() {}, info() {}, warn() {}, error() {} }

/** Does what the plan says. */
export async function carryOut(plan: ImportPlan, home: string): Promise<void> {
  mkdirSync(home, { recursive: true, mode: 0o700 })
  copyFiles(plan.from, home, plan.files)
  const store = sqliteStore(openDatabase(join(home, storeFile)))
  try {
    for (const [transport, heirloom] of plan.heirlooms) {
      const memory = {
        recall: (key: string) => store.recall(transport, key),
        list: (prefix: string) => store.list(transport, prefix),
        remember: (entries: Readonly<Record<string, string | null>>) => store.remember(transport, entries),
      }
      await heirloom.take({ home, log: silent, memory })
    }
    store.transaction(() => {
      for (const session of plan.sessions) keep(store, session)
    })
  } finally {
    store.close()
  }
  // Last: a config.json says that the home is ready.
  if (plan.config !== undefined) await writeConfig(home, plan.config)
}

function keep(store: SqliteStore, { place, name, provider, model, gist, ids }: PlacedSession): void {
  const now = Date.now()
  if (name !== '') {
    store.saveStrand(place, {
      name,
      madeAt: now,
      usedAt: now,
      ...(ids.has(provider) ? { provider } : {}),
      ...(model === '' ? {} : { model }),
      ...(gist === '' ? {} : { gist }),
    })
  }
  for (const [one, id] of ids) store.setSession(place, name, one, id)
}
