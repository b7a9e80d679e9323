import { realpath, stat } from 'node:fs/promises'
import { CallError, type BotApi } from './bot-api.ts'
import { clean } from './clean-text.ts'
import type { FileContent } from './content.ts'
import { asDocument, captionOf, wayFor, type Way } from './file-ways.ts'

const megabyte = 1_000_000
const mostPublic = 50 * megabyte
/** A Bot API server of one's own takes this much. */
const mostOwn = 2000 * megabyte
const longestCaption = 1000

/** What became of files: the answer to the call, or why none of them could be sent, a line each. */
export type Sending = { readonly sent: unknown } | { readonly unsent: string }

/**
 * Sends files in one call, the way they are shown best, and as documents where Telegram will not have them so; more
 * than one as an album. What cannot be sent is named under the first of those that can. Throws `CallError` where the
 * files are not the reason.
 */
export async function sendFiles(
  api: BotApi,
  files: readonly FileContent[],
  fields: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<Sending> {
  let { fit, losses } = await lookAt(files, api)
  let way: Way | undefined
  for (;;) {
    const [first, ...more] = fit
    if (first === undefined) return { unsent: losses.join('\n') }
    try {
      return { sent: await upload(api, [first, ...more], way, losses, fields, signal) }
    } catch (error) {
      const reason = whyRefused(error)
      if (reason === undefined) throw error
      if (reason === 'size') {
        // The smaller ones may go without the largest.
        const largest = more.reduce((one, other) => (other.size > one.size ? other : one), first)
        losses = [...losses, lossOf(largest, tooLarge(largest.size))]
        fit = fit.filter((file) => file !== largest)
      } else if (way === asDocument || fit.every((file) => wayFor(file) === asDocument)) {
        const all = fit.map((file) => lossOf(file, `Telegram does not take it (${reason}).`))
        return { unsent: [...losses, ...all].join('\n') }
      } else way = asDocument
    }
  }
}

/** What stands under the first of these files once they are sent; undefined where nothing does. */
export async function firstCaption(files: readonly FileContent[], api: BotApi): Promise<string | undefined> {
  const { fit, losses } = await lookAt(files, api)
  return fit[0] === undefined ? undefined : captionWith(losses, fit[0])
}

/** Which of these files can be sent, and a line for each that cannot. */
async function lookAt(
  files: readonly FileContent[],
  api: BotApi,
): Promise<{ readonly fit: readonly FileContent[]; readonly losses: readonly string[] }> {
  const looked = await Promise.all(files.map(async (file) => ({ file, fault: await whyUnfit(file, api) })))
  return {
    fit: looked.flatMap(({ file, fault }) => (fault === undefined ? [file] : [])),
    losses: looked.flatMap(({ file, fault }) => (fault === undefined ? [] : [lossOf(file, fault)])),
  }
}

function captionWith(losses: readonly string[], file: FileContent, way?: Way): string | undefined {
  const lines = [captionOf(file, way) ?? [], losses].flat()
  return lines.length === 0 ? undefined : cut(lines.join('\n'))
}

/** Never in the middle of a character. */
function cut(caption: string): string {
  return Array.from(clean(caption)).slice(0, longestCaption).join('')
}

function lossOf({ name }: FileContent, fault: string): string {
  return `⚠️ “${name}” could not be sent. ${fault}`
}

/** `way`: how all of them go, where not each as it is shown best. */
function upload(
  api: BotApi,
  files: readonly [FileContent, ...FileContent[]],
  way: Way | undefined,
  losses: readonly string[],
  fields: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<unknown> {
  const items = files.map((file, index) => {
    const as = way ?? wayFor(file)
    const caption = captionWith(index === 0 ? losses : [], file, as)
    return { file, as, words: caption === undefined ? {} : { caption } }
  })
  const [only, another] = items
  if (only !== undefined && another === undefined) {
    const { file, as, words } = only
    return api.upload(as.method, { ...fields, ...words }, [partOf(file, as.field)], signal)
  }
  const media = items.map(({ as, words }, index) => ({
    type: as.field,
    media: `attach://file${index}`,
    ...words,
  }))
  const parts = items.map(({ file }, index) => partOf(file, `file${index}`))
  return api.upload('sendMediaGroup', { ...fields, media: JSON.stringify(media) }, parts, signal)
}

function partOf({ path, name, mime_type: mimeType, size }: FileContent, field: string) {
  return { field, path, name, mimeType, size }
}

async function whyUnfit(content: FileContent, api: BotApi): Promise<string | undefined> {
  try {
    const { size } = await stat(content.path)
    // Its path was resolved when it was named and allowed: what leads elsewhere now was put there since.
    if ((await realpath(content.path)) !== content.path) return 'A link has taken its place.'
    if (size === 0) return 'It is empty.'
    if (size > (api.isPublic ? mostPublic : mostOwn)) return tooLarge(size)
    return undefined
  } catch {
    // What cannot be looked at cannot be sent, whatever the reason.
    return 'It is not there any more.'
  }
}

function tooLarge(size: number): string {
  return `It has ${Math.ceil(size / megabyte)} MB, and Telegram takes 50 MB from a bot; a Bot API server of your own (telegram_api_root) takes 2,000.`
}

/** What Telegram has against these files; undefined where something else is the reason. */
function whyRefused(error: unknown): string | undefined {
  if (!(error instanceof CallError)) return undefined
  const { code, message } = error
  if (code === 413) return 'size'
  const itsFault =
    /photo|image|video|audio|voice|document|file|wrong type|failed to get|media|dimensions|too (?:big|large)/i
  return code === 400 && itsFault.test(message) ? message : undefined
}
