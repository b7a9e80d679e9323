// What outlives a reload, in the browser's own store. A browser that refuses keeps the page working without it.

/** Undefined forgets it. False: the browser did not take it. */
export function keep(key, value) {
  try {
    if (value === undefined) localStorage.removeItem(key)
    else localStorage.setItem(key, JSON.stringify(value))
    return true
  } catch {
    return false
  }
}

export function kept(key) {
  try {
    return JSON.parse(localStorage.getItem(key) ?? 'null') ?? undefined
  } catch {
    return undefined
  }
}

/** All values whose key begins so. */
export function keptUnder(prefix) {
  return keysUnder(prefix).flatMap((key) => kept(key) ?? [])
}

export function keysUnder(prefix) {
  try {
    return Object.keys(localStorage).filter((key) => key.startsWith(prefix))
  } catch {
    return []
  }
}
