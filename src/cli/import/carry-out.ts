import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { entriesPath } from '../../agents/entries.ts'
import type { Log } from '../../core/define.ts'
import { writeFileAtomically } from '../../lib/atomic-write.ts'
import { openDatabase, storeFile } from '../../store/open.ts'
import { sqliteStore, type SqliteStore } from '../../store/sqlite-store.ts'
import { writeConfig } from '../onboarding/write.ts'
import { copyFiles } from './files.ts'
import type { ImportPlan } from './plan.ts'
import type { HomePlan } from './plan-home.ts'

const silent: Log = { debug() {}, info() {}, warn() {}, error() {} }

/** Does what the plan says. */
export async function carryOut(plan: ImportPlan): Promise<void> {
  for (const one of plan.homes) await take(one)
  if (plan.agents !== undefined) {
    const text = `${JSON.stringify(plan.agents, undefined, 2)}\n`
    await writeFileAtomically(entriesPath(plan.home), text, { mode: 0o600 })
  }
  // Last: a config.json says that the home is ready.
  if (plan.config !== undefined) await writeConfig(plan.home, plan.config)
}

async function take({ from, home, files, heirlooms, sessions }: HomePlan): Promise<void> {
  mkdirSync(home, { recursive: true, mode: 0o700 })
  copyFiles(from, home, files)
  const store = sqliteStore(openDatabase(join(home, storeFile)))
  try {
    for (const [transport, heirloom] of heirlooms) {
      const memory = {
        recall: (key: string) => store.recall(transport, key),
        list: (prefix: string) => store.list(transport, prefix),
        remember: (entries: Readonly<Record<string, string | null>>) => store.remember(transport, entries),
      }
      await heirloom.take({ home, log: silent, memory })
    }
    store.transaction(() => {
      for (const session of sessions) keep(store, session)
    })
  } finally {
    store.close()
  }
}

type Session = HomePlan['sessions'][number]

function keep(store: SqliteStore, { place, name, provider, model, gist, ids }: Session): void {
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
