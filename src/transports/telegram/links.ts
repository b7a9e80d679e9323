/** Longer ones are not worth the risk that the server refuses the whole message for them. */
const longestUrl = 2000

/**
 * Would Telegram take this for a link? It refuses the whole message for one that it does not take: hosts without a
 * dot (`localhost`), relative paths, files and the schemes of editors.
 */
export function isLinkable(url: string): boolean {
  if (url.length > longestUrl) return false
  if (/^tg:\/\/[\w-]+(?:[/?#][\w\-.~:/?#[\]@!$&'()*+,;=%]*)?$/i.test(url)) return true
  const [, host = '', port] = /^https?:\/\/([\p{L}\p{N}._~-]+)(?::(\d{1,5}))?(?:[/?#]\S*)?$/iu.exec(url) ?? []
  if (port !== undefined && (Number(port) === 0 || Number(port) > 65_535)) return false
  return isHost(host)
}

/** Two names at least, none of them empty, the last one not a number alone unless all four make an address. */
function isHost(host: string): boolean {
  const labels = host.split('.')
  if (labels.length < 2 || labels.some((label) => label === '' || label.length > 63)) return false
  const numbers = labels.filter((label) => /^\d+$/.test(label))
  if (numbers.length === labels.length)
    return labels.length === 4 && numbers.every((part) => Number(part) < 256)
  return !/^\d+$/.test(labels.at(-1) ?? '')
}
