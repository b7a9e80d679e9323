import type { Definition, Nodes, Root, RootContent } from 'mdast'

/** What both ways of showing Markdown have in common: what links, pictures and fences say beside their words. */

export type Definitions = ReadonlyMap<string, string>

/** All link definitions, and the blocks to show: a definition that nothing refers to would vanish with its syntax. */
export function definitionsIn(root: Root): {
  readonly definitions: Definitions
  readonly shown: readonly RootContent[]
} {
  const definitions = new Map<string, string>()
  const referenced = new Set<string>()
  const open: Nodes[] = [root]
  for (let node = open.pop(); node !== undefined; node = open.pop()) {
    if (node.type === 'definition' && !definitions.has(node.identifier)) {
      definitions.set(node.identifier, node.url)
    }
    if (node.type === 'linkReference' || node.type === 'imageReference') referenced.add(node.identifier)
    if ('children' in node) open.push(...node.children)
  }
  const shown = root.children.filter((node) => node.type !== 'definition' || !referenced.has(node.identifier))
  return { definitions, shown }
}

/** Do the words of a link tell where it goes? */
export function says(words: string, url: string): boolean {
  return words === url || `mailto:${words}` === url || decoded(url) === words
}

function decoded(url: string): string {
  try {
    return decodeURI(url)
  } catch {
    // Not every text with percent signs is an encoded one; then it is what it is.
    return url
  }
}

export function picture(alt: string | null | undefined): string {
  return `🖼 ${alt === null || alt === undefined || alt.trim() === '' ? 'image' : alt}`
}

export function definition({ label, identifier, url, title }: Definition): string {
  const about = title === null || title === undefined ? '' : ` "${title}"`
  return `[${label ?? identifier}]: ${url}${about}`
}

/** What stands behind a fence and is no language: a name of a file, words. */
export function besideCode(
  lang: string | null | undefined,
  meta: string | null | undefined,
  known: string | undefined,
): string {
  return [known === undefined ? lang : undefined, meta].filter((word) => (word ?? '') !== '').join(' ')
}

/** Clients colour code by it; what is no plain word is none. */
export function language(lang: string | null | undefined): string | undefined {
  return lang !== null && lang !== undefined && /^[\w+#.-]{1,32}$/.test(lang) ? lang : undefined
}
