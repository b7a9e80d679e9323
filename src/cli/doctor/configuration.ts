import { environmentPath } from '../../config/environment.ts'
import type { Loaded } from '../../config/load.ts'
import { sentence } from '../../config/problem.ts'
import type { Finding, Warning } from '../../core/define.ts'

export function configuration(loaded: Loaded, home: string): Finding[] {
  // Who can read the file has findings of its own.
  const readable = new Set([loaded.path, environmentPath(home)])
  const others = (warnings: readonly Warning[]) =>
    warnings.filter(({ key }) => !readable.has(key)).map(ofWarning)
  if (loaded.state === 'missing') {
    const mend = '“ductor onboarding” asks and writes it; “ductor try” looks around without'
    return [{ level: 'problem', what: `${loaded.path} is missing`, mend }]
  }
  if (loaded.state === 'good') {
    return [{ level: 'ok', what: `${loaded.path} is good` }, ...others(loaded.config.warnings)]
  }
  const problems = loaded.problems.map((problem): Finding => ({
    level: 'problem',
    what: sentence(problem),
    mend: `edit ${loaded.path}`,
  }))
  return [...problems, ...others(loaded.warnings)]
}

function ofWarning({ key, message }: Warning): Finding {
  return { level: 'warning', what: `${key}: ${message}` }
}
