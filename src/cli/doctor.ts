import { environment } from '../config/environment.ts'
import { loadConfig } from '../config/load.ts'
import type { Finding } from '../core/define.ts'
import { watchClock } from './doctor/clock.ts'
import { configuration } from './doctor/configuration.ts'
import { instance } from './doctor/instance.ts'
import { disk, node, store } from './doctor/machine.ts'
import { libraries } from './doctor/libraries.ts'
import { owner } from './doctor/owner.ts'
import { providers } from './doctor/providers.ts'
import { rights } from './doctor/rights.ts'
import { subAgents } from './doctor/sub-agents.ts'
import { transports } from './doctor/transports.ts'
import { homeFolder } from './home.ts'
import { adapters } from './load.ts'
import type { Call } from './main.ts'

const limitMs = 20_000

/** Checks what a person can get wrong; a line each, with the mend. Exit 1 if something is a problem. */
export default async function doctor(call: Call): Promise<number> {
  const home = homeFolder(process.env)
  const loaded = await loadConfig(home, adapters)
  const signal = AbortSignal.timeout(limitMs)
  using clock = watchClock()
  const shut = owner(home)
  const findings = [
    node(),
    disk(home),
    ...shut,
    // Nothing of that can be looked at by who may not use it.
    ...(shut.length > 0 ? [] : [store(home), ...rights(home, call.has('fix')), ...(await instance(home))]),
    ...configuration(loaded, home),
    ...(await subAgents(home)),
    ...(loaded.state === 'good' ? await libraries(home, loaded.config) : []),
    ...(loaded.state === 'good'
      ? await providers(home, loaded.config, environment(home, process.env), signal)
      : []),
    ...(loaded.state === 'good' ? await transports(home, loaded.config, signal) : []),
    ...clock.findings(),
  ]
  process.stdout.write(call.has('json') ? `${JSON.stringify(findings)}\n` : findings.map(line).join(''))
  return findings.some(({ level }) => level === 'problem') ? 1 : 0
}

function line({ level, what, mend }: Finding): string {
  return `${level.padEnd(8)} ${what}${mend === undefined ? '' : `\n         → ${mend}`}\n`
}
