import type { Interview } from '../../core/set-up.ts'
import { UserError } from '../../core/user-error.ts'
import { nearest } from '../../lib/nearest.ts'

/** Resolves with the name of the time zone, or undefined for this machine's. */
export async function askTimezone(interview: Interview): Promise<string | undefined> {
  const here = Intl.DateTimeFormat().resolvedOptions().timeZone
  const zone = await interview.text({
    option: 'timezone',
    ask: 'Your time zone (Enter for the one of this machine)',
    initial: here,
    accept: nameOf,
  })
  return zone === here ? undefined : zone
}

function nameOf(words: string): string {
  const typed = words.trim().replaceAll(' ', '_')
  const known = Intl.supportedValuesOf('timeZone')
  const exact = known.find((zone) => zone.toLowerCase() === typed.toLowerCase())
  if (exact !== undefined) return exact
  const cities = known.filter((zone) => cityOf(zone).toLowerCase() === typed.toLowerCase())
  if (cities.length === 1 && cities[0] !== undefined) return cities[0]
  // Names that the list leaves out, such as UTC and older ones, still work.
  try {
    return Intl.DateTimeFormat(undefined, { timeZone: typed }).resolvedOptions().timeZone
  } catch {
    const city = nearest(
      typed,
      known.map((zone) => cityOf(zone)),
    )
    const near = nearest(typed, known) ?? known.find((zone) => cityOf(zone) === city)
    const hint = near === undefined ? 'such as Europe/Berlin or America/New_York' : `did you mean ${near}?`
    throw new UserError(`“${words}” is no time zone; ${hint}`)
  }
}

function cityOf(zone: string): string {
  return zone.slice(zone.lastIndexOf('/') + 1)
}
