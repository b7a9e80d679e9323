import { readdir, stat } from 'node:fs/promises'
import { homedir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import type { Agent } from './agent.ts'
import type { CommandAnswer } from './command.ts'
import { folderWithin } from './file-access.ts'
import type { Offer } from './notices.ts'
import { sizeOf } from './prompt.ts'
import { UserError } from './user-error.ts'

/** As many as fit on a phone without scrolling for long. */
const perPage = 24

/** What is in a folder, to look into and to be sent, as far as `file_access` allows. Throws `UserError`. */
export async function browse(agent: Agent, path: string, from = 0): Promise<CommandAnswer> {
  const rule = { access: agent.settings().fileAccess, workspace: agent.workspace }
  const folder = await folderWithin(path, rule)
  const entries = await readdir(folder, { withFileTypes: true }).catch((error: unknown) => {
    throw new UserError(`The folder ${path} cannot be read.`, { cause: error })
  })
  const shown = entries
    .filter(({ name }) => !name.startsWith('.'))
    .toSorted((a, b) => Number(b.isDirectory()) - Number(a.isDirectory()) || a.name.localeCompare(b.name))
  const page = shown.slice(from, from + perPage)
  const offers = await Promise.all(
    page.map(async (entry): Promise<Offer> => {
      const whole = join(folder, entry.name)
      if (entry.isDirectory())
        return { label: `📁 ${entry.name}`, action: { do: 'browse', path: whole, from: 0 } }
      const size = await stat(whole).then(
        (facts) => sizeOf(facts.size),
        () => 'gone',
      )
      return { label: `${entry.name} (${size})`, action: { do: 'send-file', path: whole } }
    }),
  )
  const above = await folderWithin(dirname(folder), rule).catch(() => undefined)
  if (above !== undefined && above !== folder)
    offers.unshift({ label: '⬆ up', action: { do: 'browse', path: above, from: 0 } })
  if (shown.length > from + perPage)
    offers.push({ label: 'More …', action: { do: 'browse', path: folder, from: from + perPage } })
  const name = nameOf(folder, agent.workspace)
  return { text: shown.length === 0 ? `${name} is empty.` : name, offers }
}

function nameOf(folder: string, workspace: string): string {
  const inside = relative(workspace, folder)
  if (inside === '') return 'The workspace'
  if (!inside.startsWith('..')) return `workspace/${inside}`
  const home = relative(homedir(), folder)
  return home.startsWith('..') ? folder : `~/${home}`
}
