import type { Sql } from './sql.ts'

/** Removes what was finished before `before` (milliseconds since 1970); what waits stays however old it is. */
export function pruning({ command, transaction }: Sql): (before: number) => void {
  const removals = [
    `delete from inbox where received_at < ? and state in ('done', 'cancelled', 'refused', 'dead', 'asked')`,
    'delete from turns where ended_at < ?',
    `delete from publications where made_at < ? and state in ('settled', 'dead')`,
    'delete from choices where made_at < ?',
    'delete from trace where at < ?',
  ].map((text) => command(text))
  return (before) =>
    transaction(() => {
      for (const remove of removals) remove(before)
    })
}
