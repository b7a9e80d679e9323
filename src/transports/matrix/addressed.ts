import type { Words } from './wire.ts'

/** Who the bot is. */
export interface Self {
  readonly userId: string
  readonly displayName?: string
}

/** Do these words call the bot, in any of the ways in which clients write that? */
export function calls(words: Words, self: Self): boolean {
  const { 'm.mentions': mentions } = words
  return (
    mentions?.user_ids.includes(self.userId) === true || hasPill(words, self) || callsByName(words.body, self)
  )
}

function hasPill({ formatted_body: html = '' }: Words, { userId }: Self): boolean {
  return pills(html).includes(userId)
}

/** The user ids that the HTML links to. What stands in a quoted reply calls nobody. */
function pills(html: string): readonly string[] {
  const own = html.replace(/<mx-reply>[\s\S]*?<\/mx-reply>/, '')
  return [...own.matchAll(/href\s*=\s*["']([^"']{1,700})["']/gi)].flatMap(([, href = '']) => {
    const id = /^https:\/\/matrix\.to\/#\/([^?]+)/.exec(decoded(href.replaceAll('&amp;', '&')))?.[1]
    return id === undefined ? [] : [id]
  })
}

function decoded(url: string): string {
  try {
    return decodeURIComponent(url)
  } catch {
    // Not encoded after all: a stray percent sign.
    return url
  }
}

function callsByName(body: string, self: Self): boolean {
  if (userIdPattern(self).test(body)) return true
  return shortNames(self).some((name) => namePattern(name).test(body))
}

/** The whole id, and not one that only begins with it. */
function userIdPattern({ userId }: Self): RegExp {
  return new RegExp(`(?<![\\w@])${RegExp.escape(userId)}(?![\\w-]|\\.\\w|:\\d)`, 'i')
}

/** The name as words of its own: a bot called `bot` is not meant by `robot`. */
function namePattern(name: string): RegExp {
  return new RegExp(`(?<![\\p{L}\\p{N}_])@?${RegExp.escape(name)}(?![\\p{L}\\p{N}_])`, 'iu')
}

function shortNames({ userId, displayName = '' }: Self): readonly string[] {
  const localpart = userId.slice(1, userId.indexOf(':'))
  // A name of one letter would be in every second sentence.
  return [displayName.trim(), localpart].filter((name) => name.length > 1)
}

/**
 * The words without a call at their beginning, so that `ductor: !stop` is the command that it looks like. Nothing else
 * is taken away: a name without a colon is only cut where the client made a pill of it.
 */
export function withoutCall(words: Words, self: Self): string {
  const { body } = words
  const pill = hasPill(words, self)
  for (const name of [self.userId, ...shortNames(self)]) {
    const surely = pill || name === self.userId
    const end = surely ? '(?:\\s*[:,])?(?:\\s+|$)' : '\\s*[:,](?:\\s+|$)'
    const call = new RegExp(`^\\s*@?${RegExp.escape(name)}${end}`, 'iu').exec(body)
    if (call !== null) return body.slice(call[0].length)
  }
  return body
}
