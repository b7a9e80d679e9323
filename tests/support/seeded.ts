/**
 * What chance begins with in this run: DUCTOR_SEED replays one. In CI it is always the same, so that a change is judged
 * by what it changed; everywhere else each run looks at something new.
 */
export const runSeed = Number(
  process.env['DUCTOR_SEED'] ?? (process.env['CI'] === undefined ? Date.now() % 1_000_000 : 251_126),
)

/** Numbers from 0 to 1 that look random and are the same on every machine for the same seed (Mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }
}
