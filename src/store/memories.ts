import { z } from 'zod'
import type { Memories } from '../core/store.ts'
import type { Sql } from './sql.ts'

const pair = z.object({ key: z.string(), value: z.string() })

/** What the sources remember between runs. */
export function memories({ command, query, transaction }: Sql): Memories {
  const one = query(pair, 'select key, value from memory where source = ? and key = ?')
  const between = query(
    pair,
    'select key, value from memory where source = ? and key >= ? and key < ? order by key',
  )
  const put = command('insert or replace into memory (source, key, value) values (?, ?, ?)')
  const forget = command('delete from memory where source = ? and key = ?')
  return {
    recall: (source, key) => one.one(source, key)?.value,
    list: (source, prefix) =>
      // The highest code point: every key that begins with the prefix sorts below it.
      between.all(source, prefix, `${prefix}\u{10ffff}`).map(({ key, value }) => [key, value]),
    remember(source, entries) {
      transaction(() => {
        for (const [key, value] of Object.entries(entries))
          if (value === null) forget(source, key)
          else put(source, key, value)
      })
    },
  }
}
