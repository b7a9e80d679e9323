import type { TransportReport } from '../core/transport.ts'

/** Says on standard output how the transports fare: all at once when each has tried, later each on its own. */
export class Announcer {
  readonly #reports: Map<string, TransportReport>
  readonly #print: (line: string) => void
  #ready = false

  constructor(names: readonly string[], print: (line: string) => void) {
    this.#reports = new Map(names.map((name) => [name, { state: 'connecting' }]))
    this.#print = print
  }

  meet(name: string, report: TransportReport): void {
    const before = this.#reports.get(name)
    this.#reports.set(name, report)
    if (!this.#ready || before?.state === report.state) return
    if (report.state === 'connected') this.#print(`connected ${words(name, report)}`)
    if (report.state === 'failed') this.#print(`lost ${words(name, report)}`)
  }

  /** `sinceStartMs`: milliseconds since the process began. */
  ready(sinceStartMs: number): void {
    this.#ready = true
    const all = [...this.#reports].map(([name, report]) => words(name, report)).join(', ')
    this.#print(`ready ${all} in ${Math.round(sinceStartMs)} ms`)
  }
}

function words(name: string, { state, account, detail }: TransportReport): string {
  const who = account === undefined ? name : `${name} ${account}`
  if (state === 'connected') return who
  return `${who} ${state}${detail === undefined ? '' : ` (${detail})`}`
}
