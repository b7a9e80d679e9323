import type { Agent } from './core/agent.ts'
import type { Log } from './core/define.ts'
import type { Memory } from './core/transport.ts'
import { UserError } from './core/user-error.ts'
import { CliProcess } from './providers/cli-process.ts'
import { ProcessLedger } from './providers/process-ledger.ts'

export interface TranscribeDeps {
  /** The environment of the CLIs. */
  readonly env: Readonly<Record<string, string>>
  /** Absolute path of the folder that the program runs in. */
  readonly cwd: string
  /** Keeps what was started, so that it can be ended after a crash, too. */
  readonly memory: Memory
  readonly log: Log
}

const longestMs = 180_000
const graceMs = 1000

/** Writes down what is said in a file, by a program: its first arguments are given, the file comes last. */
export function transcriber(
  [program, ...first]: readonly [string, ...string[]],
  { env, cwd, memory, log }: TranscribeDeps,
): NonNullable<Agent['transcribe']> {
  const ledger = new ProcessLedger(memory, log)
  return async (path, signal) => {
    const started = await CliProcess.start({ program, args: [...first, path], env, cwd }, ledger)
    const late = AbortSignal.timeout(longestMs)
    const end = () => void started.kill(graceMs)
    const stopped = AbortSignal.any([signal, late])
    stopped.addEventListener('abort', end, { once: true })
    if (stopped.aborted) end()
    started.closeInput()
    const said: string[] = []
    try {
      for await (const line of started.lines()) if (line.type === 'line') said.push(line.text)
    } catch {
      // It was ended in the middle of a line: the exit tells why.
    }
    const exit = await started.exit
    stopped.removeEventListener('abort', end)
    if (signal.aborted) throw new UserError('It was stopped before all was written down.')
    if (late.aborted) throw failed(`it took longer than ${longestMs / 60_000} minutes`)
    if (exit.how === 'not-started') throw failed(exit.sentence)
    if (exit.code !== 0)
      throw failed(started.stderr.slice(-300) || `it ended with ${exit.code ?? exit.signal}`)
    const text = said.join('\n').trim()
    return text === '' ? undefined : text
  }
}

function failed(why: string): UserError {
  return new UserError(`The program that writes voice messages down failed: ${why}`)
}
