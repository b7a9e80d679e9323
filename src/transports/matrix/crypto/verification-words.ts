/** What people are told of a verification. */

export const asked = 'I have asked for a verification: accept it in your app, and compare the emoji.'

export const noIdentity =
  'Your account has no identity to verify yet: set up encryption (secure backup) in your app first, then write !verify again.'

export const tooMany = 'Too many verifications are under way: write !verify again in ten minutes.'

export const verified = 'Verified: nobody stands between us.'

export const brokenOff =
  'The verification broke off on my side, as it does when I am restarted. If your app does not call me verified, write !verify to begin again.'

export function compare(emoji: string): string {
  return `Compare with your app: ${emoji}. If they differ, cancel there.`
}

export function refused(reason: string): string {
  return `The homeserver refused a message of the verification (${reason}), so it was cancelled: nothing is verified.`
}

/** `code`: of the cancellation, as Matrix has it; `byUs`: it was the bot's side that found it out. */
export function cancelled(byUs: boolean, code = ''): string {
  switch (code) {
    case 'm.mismatched_sas':
    case 'm.mismatched_commitment':
    case 'm.key_mismatch': {
      const who = byUs
        ? 'What your app sent does not match'
        : 'Your app says that what it sees does not match'
      return `${who}: somebody may stand between us. Nothing is verified. Write nothing here that must stay secret until !verify succeeds.`
    }
    case 'm.timeout':
      return 'The verification took too long and was cancelled: nothing is verified. Write !verify to try again.'
    default:
      return 'The verification was cancelled: nothing is verified. Write !verify to try again.'
  }
}
