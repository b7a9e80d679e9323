// Turn after turn through one conversation: memory and open handles stay, and afterwards nothing runs any more.
import { randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { z } from 'zod'
import type { Provider, Turn } from '../src/core/provider.ts'
import { claudeStage } from '../src/providers/claude/stage.fake.ts'
import demo from '../src/providers/demo/index.ts'
import { treeOf } from '../src/providers/kill-tree.ts'
import { InMemoryStore } from '../tests/contracts/in-memory.ts'
import { soak } from '../tests/contracts/provider.ts'
import { whyNoClaude } from '../tests/support/install-claude.ts'
import { silentLog } from '../tests/support/stage.ts'

type Stage = Parameters<typeof soak>[0]

export async function benchSoak(turns: number): Promise<void> {
  z.int().positive().parse(turns)
  await soakDemo(turns)
  const noClaude = await whyNoClaude()
  if (noClaude !== undefined) return print('claude', noClaude)
  await using stage = await claudeStage()
  await measure('claude', stage, stage.open(), turns)
}

async function soakDemo(turns: number): Promise<void> {
  const home = await mkdtemp(join(tmpdir(), 'ductor-soak-'))
  const deps = { home, log: silentLog, memory: new InMemoryStore(), env: { PATH: process.env['PATH'] ?? '' } }
  const stage: Stage = {
    turn: (key, prompt, more): Turn => ({
      id: randomUUID(),
      place: { key, transport: 'paper', chat: key },
      strand: '',
      prompt,
      attachments: [],
      cwd: home,
      permissionMode: 'ask',
      ...more,
    }),
    prompts: { say: (words) => `say: ${words}` },
    processes: ownProcesses,
  }
  try {
    await measure('demo', stage, await demo.open({}, deps), turns)
  } finally {
    await rm(home, { recursive: true, force: true })
  }
}

async function measure(name: string, stage: Stage, provider: Provider, turns: number): Promise<void> {
  const begun = performance.now()
  const { before, after } = await soak(stage, provider, turns)
  const each = (performance.now() - begun) / turns
  await provider.close?.()
  const left = await ownProcesses()
  const grown = (place: number) => `${megabytes(before[place])} MB, then ${megabytes(after[place])} MB`
  print(`${name}: ${turns} turns`, `${each.toFixed(1)} ms each`)
  print(`${name}: our heap`, grown(0))
  print(`${name}: its process`, grown(1))
  print(`${name}: left behind afterwards`, left.length === 0 ? 'nothing' : left.join(', '))
}

async function ownProcesses(): Promise<readonly number[]> {
  return (await treeOf(process.pid)).map(({ pid }) => pid).filter((pid) => pid !== process.pid)
}

function megabytes(kb: number | undefined): string {
  return kb === undefined ? '?' : String(Math.round(kb / 1024))
}

function print(what: string, figure: string): void {
  process.stdout.write(`${what.padEnd(40)} ${figure}\n`)
}
