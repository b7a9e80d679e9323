/** What a shell would be given: `/bin/bash -lc 'touch a'` is `touch a`. Any other command stays as it is. */
export function innerCommand(command: string): string {
  const words = shellWords(command)
  const [shell = '', flag = '', script] = words ?? []
  const wrapped = words?.length === 3 && /(^|\/)(ba|z|da|k)?sh$/.test(shell) && /^-l?c$/.test(flag)
  return wrapped && script !== undefined ? script : command
}

/**
 * The words of a command line that Codex quoted: bare, in single or in double quotes. Undefined where it has anything
 * else; then nobody should guess.
 */
export function shellWords(line: string): readonly string[] | undefined {
  const words: string[] = []
  // A word is a run of pieces without a space between them.
  const piece = /'([^']*)'|"((?:[^"\\$`]|\\[\s\S])*)"|\\([\s\S])|([^\s'"\\$`;&|<>()*?[\]{}~#!]+)|(\s+)/y
  let word: string | undefined
  while (piece.lastIndex < line.length) {
    const found = piece.exec(line)
    if (found === null) return undefined
    const [, single, double, escaped, bare, space] = found
    if (space !== undefined) {
      if (word !== undefined) words.push(word)
      word = undefined
    } else word = (word ?? '') + (single ?? double?.replaceAll(/\\([$`"\\])/g, '$1') ?? escaped ?? bare ?? '')
  }
  if (word !== undefined) words.push(word)
  return words
}
