const tabWidth = 4

/**
 * Text as Telegram would keep it, made by us so that nothing is changed on the way: ends of lines are LF, tabs are
 * spaces up to the next stop (the server makes one space of each), control characters, marks of writing direction
 * and halves of characters are gone. The server also takes three marks off their letters: a ring that has a letter of
 * its own (å, ů) becomes one before.
 */
export function clean(text: string): string {
  return expandTabs(
    text
      .toWellFormed()
      .replaceAll(/\r\n?|[\u2028\u2029]/g, '\n')
      // oxlint-disable-next-line no-control-regex -- they are what has to go
      .replaceAll(/[\u0000-\u0008\u000B-\u001F\u007F\u202A-\u202E]/g, '')
      .replaceAll(/\p{L}\p{M}*\u030A\p{M}*/gu, (letter) => letter.normalize('NFC'))
      .replaceAll(/[\u030A\u0333\u033F]/g, '')
      .replaceAll(/[\u200E\u200F](?=[\u200E\u200F])/g, ''),
  )
}

function expandTabs(text: string): string {
  if (!text.includes('\t')) return text
  return text
    .split('\n')
    .map((line) => {
      let out = ''
      for (const [index, piece] of line.split('\t').entries()) {
        if (index > 0) out += ' '.repeat(tabWidth - (out.length % tabWidth))
        out += piece
      }
      return out
    })
    .join('\n')
}

/** Is there nothing to see? Telegram refuses a message of such text. */
export function isBlank(text: string): boolean {
  return /^[\p{Z}\p{Cc}\p{Cf}\p{Default_Ignorable_Code_Point}\u2800\uFFFC]*$/u.test(text)
}

/** On one line, and short enough to stay there. */
export function oneLine(text: string, longest: number): string {
  const line = clean(text).replaceAll(/\s+/g, ' ').trim()
  const characters = Array.from(line)
  return characters.length <= longest ? line : `${characters.slice(0, longest - 1).join('')}…`
}
