/**
 * One call at a time of something that takes long and tells how things stand. Who asks while one is under way gets what
 * the next one finds, together with all others who have asked by then: nobody gets what was looked up before they asked.
 */
export function shared<T>(look: () => Promise<T>): () => Promise<T> {
  let last: Promise<unknown> = Promise.resolve()
  let next: Promise<T> | undefined
  return () => {
    if (next !== undefined) return next
    const mine = last.then(() => {
      next = undefined
      return look()
    })
    next = mine
    last = Promise.allSettled([mine])
    return mine
  }
}
