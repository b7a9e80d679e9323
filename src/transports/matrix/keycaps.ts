/** A person can press no more than these; what comes after is typed. */
export const mostKeycaps = 10

/** The emoji that stands for a number from 1 to 10. */
export function keycap(number: number): string {
  return number === 10 ? '🔟' : `${number}\uFE0F\u20E3`
}

/** The number that a keycap stands for, whether a client writes it with or without its variation selector. */
export function numberOf(emoji: string): number | undefined {
  const plain = emoji.replaceAll('\uFE0F', '')
  if (plain === '🔟') return 10
  const digit = /^([1-9])\u20E3$/.exec(plain)?.[1]
  return digit === undefined ? undefined : Number(digit)
}
