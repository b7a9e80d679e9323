import type { LoadedConfig } from '../../config/load.ts'
import type { Finding } from '../../core/define.ts'
import { librariesOf } from '../extras.ts'

/** Is there what the transports need beyond the base install? */
export async function libraries(
  home: string,
  { transports }: Pick<LoadedConfig, 'transports'>,
): Promise<Finding[]> {
  const findings = transports.map(async ({ definition }) =>
    (await librariesOf(home, definition)).map(({ name, range, found, without }): Finding => {
      if (found?.fits === true)
        return { level: 'ok', what: `${definition.name}: ${name} ${found.version} is installed` }
      const what = found === undefined ? 'is not installed' : `is ${found.version}, and ${range} is needed`
      return {
        level: without === undefined ? 'problem' : 'warning',
        what: `${definition.name}: ${name} ${what}${without === undefined ? '' : `, so ${without}`}`,
        mend: `ductor install ${definition.name}`,
      }
    }),
  )
  return (await Promise.all(findings)).flat()
}
