/** Who may do what on one transport. Made by the transport from its configuration; ids are the network's own. */
export interface Policy {
  readonly users: 'everyone' | ReadonlySet<string>
  readonly rooms: 'everywhere' | ReadonlySet<string>
  /** Must a private chat be in `rooms` too? Matrix: yes, it is a room. Telegram: no. */
  readonly privateChats: 'open' | 'listed'
  /** In groups, only what is addressed to the bot. A filter on top of the lists, never past them. */
  readonly mentionOnly: boolean
}

/** What somebody tries to do. An invite, an upload or a web request is judged by the same rules as a message. */
export interface Attempt {
  readonly act: 'message' | 'edit' | 'redaction' | 'press' | 'invite' | 'upload'
  readonly sender: string
  /** The network's own id of the chat or room. */
  readonly chat: string
  readonly group: boolean
  readonly addressed: boolean
}

/** `reason` is for the log and for `trace`; strangers get silence. */
export type Verdict = { readonly allowed: true } | { readonly allowed: false; readonly reason: string }

/** The one place that decides who may do what. Pure. */
export function authorise(policy: Policy, attempt: Attempt): Verdict {
  const roomMatters = attempt.group || policy.privateChats === 'listed'
  if (roomMatters && policy.rooms !== 'everywhere' && !policy.rooms.has(attempt.chat)) {
    return { allowed: false, reason: `room ${attempt.chat} is not in the list of allowed rooms` }
  }
  if (policy.users !== 'everyone' && !policy.users.has(attempt.sender)) {
    return { allowed: false, reason: `sender ${attempt.sender} is not in the list of allowed users` }
  }
  // Only new messages wake the bot. Changing, taking back and pressing concern what was let in already.
  if (attempt.act === 'message' && attempt.group && policy.mentionOnly && !attempt.addressed) {
    return { allowed: false, reason: 'not addressed to the bot (group_mention_only)' }
  }
  return { allowed: true }
}
