import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { codexBinary, whyNoCodex } from '../../../tests/support/install-codex.ts'
import type { Turn, TurnEvent } from '../../core/provider.ts'
import type { CodexProvider } from './provider.ts'
import { stage, type CodexStage } from './stage.fake.ts'

const run = promisify(execFile)
const skip = await whyNoCodex()

type See = (event: TurnEvent) => unknown

/** A test with the real Codex on a scripted vendor; skipped where it cannot be installed. */
export function codexTest(
  what: string,
  act: (on: CodexStage, provider: CodexProvider) => Promise<void>,
  options: Parameters<typeof stage>[0] = {},
): void {
  void test(what, skip === undefined ? {} : { skip }, async () => {
    await using on = await stage(options)
    const provider = on.open()
    try {
      await act(on, provider)
    } finally {
      await provider.close()
    }
  })
}

/** All that a turn tells. `see` is called with each event, and waited for. */
export async function all(
  provider: CodexProvider,
  turn: Turn,
  see?: See,
  signal: AbortSignal = never(),
): Promise<readonly TurnEvent[]> {
  const events: TurnEvent[] = []
  for await (const event of provider.run(turn, signal)) {
    events.push(event)
    await see?.(event)
  }
  return events
}

/** What a person does at the keyboard, whether it ends well or not. */
export async function terminal(
  on: CodexStage,
  args: readonly string[],
): Promise<{ readonly stdout: string; readonly stderr: string }> {
  const child = run(codexBinary, args, { cwd: on.cwd, env: on.env, timeout: 30_000 })
  child.child.stdin?.end()
  return await child.catch((error: unknown) => ({
    stdout: '',
    // Node puts what the program said on stderr into the message.
    stderr: error instanceof Error ? error.message : '',
  }))
}

export function sessionOf(events: readonly TurnEvent[]): string {
  const event = events.findLast(({ type }) => type === 'session.started')
  assert.equal(event?.type, 'session.started')
  return event.sessionId
}

export function noticesOf(events: readonly TurnEvent[]): readonly string[] {
  return events.flatMap((event) => (event.type === 'notice' ? [event.message] : []))
}

export function never(): AbortSignal {
  return new AbortController().signal
}
