// What one message costs with few and with many conversations in the store, how many messages are taken in a second,
// and how long the event loop is held up while many turns stream. Real flow, real store on disk, a scripted provider.
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Place } from '../src/core/message.ts'
import type { TurnEvent } from '../src/core/provider.ts'
import { renderer } from '../src/transports/telegram/render.ts'
import { eventually } from '../tests/support/eventually.ts'
import { message, PaperTransport, setStage } from '../tests/support/stage.ts'

const rounds = 300

export async function benchScale(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'ductor-scale-'))
  try {
    await costs(folder)
    await admission(folder)
    await streaming(folder)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

function placeOf(index: number): Place {
  return { key: `tg:${index}`, transport: 'paper', chat: String(index) }
}

/** From a message's arrival to its answer in the chat. */
async function costs(folder: string): Promise<void> {
  let base: number | undefined
  for (const conversations of [10, 1000, 100_000]) {
    const path = join(folder, `${conversations}.db`)
    const stage = setStage({ path })
    fill(stage, conversations)
    const times: number[] = []
    for (let n = 0; n < rounds; n += 1) {
      const place = placeOf(Math.floor((n * 7919) % conversations))
      const answered = Promise.withResolvers<void>()
      stage.transport.after = ({ type }) => (type === 'post' ? answered.resolve() : undefined)
      const before = performance.now()
      await stage.hear(message(`m${n}`, { place }))
      await answered.promise
      times.push(performance.now() - before)
    }
    stage.kill()
    const p50 = quantile(times, 0.5)
    base ??= p50
    const size = `${Math.round(statSync(path).size / 1e6)} MB`
    print(
      `a message among ${conversations} conversations (store ${size})`,
      `p50 ${p50.toFixed(1)} ms, p99 ${quantile(times, 0.99).toFixed(1)} ms, ${(p50 / base).toFixed(2)} times that of 10`,
    )
  }
}

/** Conversations that had a turn each, some time ago. */
function fill({ store }: ReturnType<typeof setStage>, conversations: number): void {
  for (let from = 0; from < conversations; from += 5000)
    store.transaction(() => {
      for (let n = from; n < Math.min(from + 5000, conversations); n += 1) {
        const place = placeOf(n)
        const seq = store.addInbound(message('long ago', { place, id: `old-${n}` }), 'done') ?? 0
        store.note({ seq }, 'received')
        store.startTurn({ id: `t${n}`, place, strand: '', provider: 'scripted', startedAt: 1 })
        store.setInboxState(seq, 'done', `t${n}`)
        store.endTurn(`t${n}`, 'end_turn')
        store.setSession(place, '', 'scripted', `s${n}`)
        const view = { state: 'ended' as const, parts: [], choices: [] }
        store.savePublication({ key: `turn/t${n}`, place, view, state: 'settled', turn: `t${n}` })
        store.putPost(`turn/t${n}`, { index: 0, attempt: 0, ref: String(n), content: {}, revision: 0 })
      }
    })
}

/** Messages that were stored, judged and queued in a second, in batches as Telegram gives them and one by one. */
async function admission(folder: string): Promise<void> {
  for (const batch of [100, 1]) {
    const stage = setStage({ path: join(folder, `admission-${batch}.db`) })
    // Nothing is run meanwhile: what is measured is the intake.
    stage.provider.script = () => [() => new Promise(() => {})]
    const before = performance.now()
    let taken = 0
    while (performance.now() - before < 3000) {
      const place = placeOf(taken % 50)
      await stage.hear(...Array.from({ length: batch }, (_, n) => message(`m${taken + n}`, { place })))
      taken += batch
    }
    const perSecond = (1000 * taken) / (performance.now() - before)
    print(`admission, ${batch} at a time`, `${Math.round(perSecond)} messages a second`)
    stage.kill()
  }
}

/** How long the event loop is held up while fifty turns stream Markdown at the pace of a fast model. */
async function streaming(folder: string): Promise<void> {
  const transport = new PaperTransport()
  const render = renderer()
  transport.render = (view) => render(view).map((content) => ({ ...content, choices: [] }))
  Object.assign(transport, { progressPaceMs: () => 1500 })
  const stage = setStage({ path: join(folder, 'streaming.db'), transport })
  stage.provider.script = ({ prompt }) => [
    ...Array.from({ length: 400 }, (_, n): (TurnEvent | (() => Promise<unknown>))[] => [
      () => sleep(20),
      { type: 'text', delta: `**${prompt}** writes word ${n} of \`many\`${n % 20 === 0 ? '.\n\n- ' : ' '}` },
    ]).flat(),
    { type: 'turn.ended', stop: 'end_turn' },
  ]
  const delay = monitorEventLoopDelay({ resolution: 1 })
  delay.enable()
  await stage.hear(...Array.from({ length: 50 }, (_, n) => message(`turn ${n}`, { place: placeOf(n) })))
  await eventually(() => stage.store.countInbox('done') === 50, 'fifty answers', 60_000)
  delay.disable()
  const ms = (n: number) => (n / 1e6).toFixed(1)
  print(
    'event loop while 50 turns stream',
    `p50 ${ms(delay.percentile(50))} ms, p99 ${ms(delay.percentile(99))} ms, most ${ms(delay.max)} ms`,
  )
  stage.kill()
}

function quantile(values: readonly number[], q: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? Number.NaN
}

function print(what: string, value: string): void {
  process.stdout.write(`${what.padEnd(60)} ${value}\n`)
}
