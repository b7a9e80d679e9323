const hidden = '[hidden]'

/** Keys whose values nobody needs to read in a log. */
const secretKey =
  '"[^"]*(?:password|passwd|secret|token|authorization|cookie|(?:api|recovery)_?key|credential)[^"]*"'
// The closing quote may be missing: a line of somebody's file is not always JSON.
const keyed = new RegExp(`(${secretKey}\\s*:\\s*)"(?:[^"\\\\]|\\\\.)*(?:"|$)`, 'gi')

/** What secrets look like when they stand in the middle of a text: an URL, a header, an error of a library. */
const shapes: readonly (readonly [RegExp, string])[] = [
  // Telegram puts the token of the bot into the path.
  [/\b(bot)?\d{6,}:[\w-]{30,}/g, `$1${hidden}`],
  [/\b(Bearer|Basic)\s+[\w.~+/=-]{8,}/gi, `$1 ${hidden}`],
  [/\b(access_token|token|password|secret|api_?key)=[^&\s"\\]+/gi, `$1=${hidden}`],
  // Matrix (Synapse), Anthropic, OpenAI, GitHub, Google.
  [/\b(?:syt_|syr_|mct_|sk-ant-|sk-|gh[opsu]_|github_pat_|AIza)[\w-]{12,}/g, hidden],
]

/**
 * A safety net under the rule that no secret is logged: makes a line of JSON fit to be kept, and leaves it JSON.
 * `secrets` are values that are known to be secret; short ones are left alone, for they might be any word.
 */
export function redactor(secrets: readonly string[] = []): (line: string) => string {
  const known = secrets
    .filter((secret) => secret.length >= 6)
    // As they stand within a line of JSON. The longest first: one may be a part of another.
    .map((secret) => JSON.stringify(secret).slice(1, -1))
    .toSorted((a, b) => b.length - a.length)
  return (line) => {
    let clean = line
    for (const secret of known) clean = clean.replaceAll(secret, hidden)
    clean = clean.replace(keyed, `$1"${hidden}"`)
    for (const [shape, instead] of shapes) clean = clean.replace(shape, instead)
    return clean
  }
}
