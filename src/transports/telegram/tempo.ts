/** How long things take. */
export interface Tempo {
  /** For how long Telegram may hold a poll open when there is nothing to hear; at most 50. */
  readonly pollSeconds: number
  /** After which a call other than a poll counts as lost; a poll has as much more. */
  readonly callTimeoutMs: number
  /** After the first failure; each further one waits twice as long. */
  readonly firstPauseMs: number
  readonly longestPauseMs: number
  /** While another program polls the same bot. */
  readonly conflictPauseMs: number
  /** The longest while Telegram refuses the token: @BotFather may give it back, and Telegram has been wrong before. */
  readonly refusedPauseMs: number
  /** After so long without a conflict the other program has stopped; two that both try again have calm moments, too. */
  readonly calmMs: number
  /** After so long without an update it is asked whether any waits. */
  readonly quietMs: number
}

export const usualTempo: Tempo = {
  pollSeconds: 25,
  callTimeoutMs: 20_000,
  firstPauseMs: 1000,
  longestPauseMs: 30_000,
  conflictPauseMs: 5000,
  refusedPauseMs: 10 * 60_000,
  calmMs: 30_000,
  quietMs: 90_000,
}
