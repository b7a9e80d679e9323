import type { Loaded } from '../../config/load.ts'
import { sentence } from '../../config/problem.ts'
import type { Finding, Warning } from '../../core/define.ts'

export function configuration(loaded: Loaded): Finding[] {
  if (loaded.state === 'missing') {
    const mend = '“ductor onboarding” asks and writes it; “ductor try” looks around without'
    return [{ level: 'problem', what: `${loaded.path} is missing`, mend }]
  }
  if (loaded.state === 'good') {
    return [{ level: 'ok', what: `${loaded.path} is good` }, ...loaded.config.warnings.map(ofWarning)]
  }
  const problems = loaded.problems.map((problem): Finding => ({
    level: 'problem',
    what: sentence(problem),
    mend: `edit ${loaded.path}`,
  }))
  return [...problems, ...loaded.warnings.map(ofWarning)]
}

function ofWarning({ key, message }: Warning): Finding {
  return { level: 'warning', what: `${key}: ${message}` }
}
