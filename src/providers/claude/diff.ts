import { readFile, stat } from 'node:fs/promises'
import { createTwoFilesPatch } from 'diff'
import { z } from 'zod'

/** Bytes; of a larger file only the changed lines are compared. */
const largestFile = 1_000_000
/** Letters; of an edit that makes more only what it asks for is shown. */
const largestResult = 4_000_000
/** Milliseconds; texts that are too unlike are told as one going and one coming. */
const patience = 200

const edit = z.object({
  old_string: z.string(),
  new_string: z.string(),
  replace_all: z.boolean().nullish(),
})
type Edit = z.infer<typeof edit>

const change = z.union([
  z.object({ file_path: z.string(), content: z.string() }).transform(({ file_path: path, content }) => ({
    path,
    apply: () => content,
    bare: { before: '', after: content },
  })),
  z
    .object({ file_path: z.string(), edits: z.array(edit).min(1) })
    .or(
      edit
        .extend({ file_path: z.string() })
        .transform(({ file_path, ...one }) => ({ file_path, edits: [one] })),
    )
    .transform(({ file_path: path, edits }) => ({
      path,
      apply: (text: string) => edits.reduce<string | undefined>(applied, text),
      bare: {
        before: edits.map(({ old_string: old }) => old).join('\n'),
        after: edits.map(({ new_string: fresh }) => fresh).join('\n'),
      },
    })),
])

/** What Write, Edit or MultiEdit would do to its file, as a unified diff; undefined for any other input. */
export async function diffOf(input: unknown): Promise<string | undefined> {
  const parsed = change.safeParse(input)
  if (!parsed.success) return undefined
  const { path, apply, bare } = parsed.data
  const text = await contentOf(path)
  if (text === undefined) return patch(path, bare.before, bare.after)
  const after = apply(text) ?? text
  // An edit that fits nowhere will fail; what it wants is shown all the same.
  return after === text ? patch(path, bare.before, bare.after) : patch(path, text, after)
}

/** Undefined where the text would grow without measure. */
function applied(
  text: string | undefined,
  { old_string: old, new_string: fresh, replace_all: all }: Edit,
): string | undefined {
  if (text === undefined) return undefined
  // As a function: `$&` in the new text is not a pattern.
  if (all !== true) return text.replace(old, () => fresh)
  const times = text.split(old).length - 1
  return times * fresh.length > largestResult ? undefined : text.replaceAll(old, () => fresh)
}

/** Empty where there is no file yet; undefined where it cannot be compared. */
async function contentOf(path: string): Promise<string | undefined> {
  try {
    const about = await stat(path)
    // To read a pipe or a device may take for ever.
    return about.isFile() && about.size <= largestFile ? await readFile(path, 'utf8') : undefined
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'ENOENT' ? '' : undefined
  }
}

function patch(path: string, before: string, after: string): string {
  const old = before === '' ? '/dev/null' : path
  const made = createTwoFilesPatch(old, path, before, after, '', '', { context: 3, timeout: patience })
  if (made === undefined)
    return [`--- ${old}`, `+++ ${path}`, marked('-', before), marked('+', after)].join('\n')
  return made.replace(/^=+\n/, '').trimEnd()
}

function marked(sign: string, text: string): string {
  return text
    .split('\n')
    .map((line) => `${sign}${line}`)
    .join('\n')
}
