/** What the network allows. Numbers that are not published are guesses on the strict side. */
export interface Limits {
  /** Off: no call is ever too many. */
  readonly flood: boolean
  readonly privatePerSecond: number
  readonly privateBurst: number
  readonly groupPerMinute: number
  readonly perSecond: number
  /** Edits a second of what is not there or not the bot's: nobody knows, so most tests have no limit. */
  readonly missesPerSecond: number
  readonly draftsPerSecond: number
  readonly draftBurst: number
  readonly draftLifeMs: number
  readonly firstPenaltySeconds: number
  readonly longestPenaltySeconds: number
  readonly characters: number
  readonly captionCharacters: number
  readonly bytes: number
  readonly entities: number
  readonly entityBytes: number
  readonly buttons: number
  readonly richCharacters: number
  readonly richBlocks: number
  readonly richColumns: number
  readonly richDepth: number
  /** Seconds for which a poll may be held. */
  readonly pollSeconds: number
  /** Milliseconds within which a poll for the same updates is slowed down to as much. */
  readonly samePollMs: number
  /** Milliseconds that a poll waits which ends another one soon after the last such conflict. */
  readonly conflictDelayMs: number
  readonly updateLifeMs: number
  readonly pressLifeMs: number
  readonly pressAnswerMs: number
  readonly deleteWithinMs: number
  /** Bytes that a bot may send in one request, in one photo, and fetch. */
  readonly uploadBytes: number
  readonly photoBytes: number
  readonly downloadBytes: number
  readonly fileLinkMs: number
}

const hour = 3_600_000

export const networkLimits: Limits = {
  flood: true,
  privatePerSecond: 1,
  privateBurst: 5,
  groupPerMinute: 20,
  perSecond: 30,
  missesPerSecond: Infinity,
  draftsPerSecond: 4,
  draftBurst: 20,
  draftLifeMs: 30_000,
  firstPenaltySeconds: 3,
  longestPenaltySeconds: 240,
  characters: 4096,
  captionCharacters: 1024,
  bytes: 32_768,
  entities: 100,
  entityBytes: 9000,
  buttons: 100,
  richCharacters: 32_768,
  richBlocks: 500,
  richColumns: 20,
  richDepth: 16,
  pollSeconds: 50,
  samePollMs: 3000,
  conflictDelayMs: 3000,
  updateLifeMs: 24 * hour,
  pressLifeMs: 150_000,
  pressAnswerMs: 15_000,
  deleteWithinMs: 48 * hour,
  uploadBytes: 50_000_000,
  photoBytes: 10_000_000,
  downloadBytes: 20_000_000,
  fileLinkMs: hour,
}
