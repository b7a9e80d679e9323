import { join } from 'node:path'
import { acpStage } from '../../../tests/support/acp-stage.ts'
import { defaultPatience, type AcpAgent, type Patience } from '../acp-agent.ts'
import { AcpProvider } from '../acp-provider.ts'

/** What a test wants otherwise. */
interface Wanted extends Partial<Omit<AcpAgent, 'patience'>> {
  readonly patience?: Partial<Patience>
  /** Abilities that the fake agent lacks, as it takes them. */
  readonly without?: readonly string[]
}

const fake = join(import.meta.dirname, 'acp-agent.fake.ts')

/** A stage with the fake agent, which keeps its sessions in the stage's home. */
export function fakeStage(usual: Wanted = {}) {
  return acpStage<Wanted>(
    (deps, home, config) => {
      const { patience, without = [], ...more } = { ...usual, ...config }
      return new AcpProvider(
        {
          name: 'fake',
          signIn: 'Run `fake login`.',
          command: [process.execPath, fake, home, ...without],
          idleMs: 60_000,
          maxWarm: 8,
          ...more,
          patience: { ...defaultPatience, strayMs: 300, ...patience },
        },
        deps,
      )
    },
    () => Promise.resolve({ PATH: process.env['PATH'] ?? '' }),
    { [Symbol.asyncDispose]: () => Promise.resolve() },
  )
}
