// A process of its own for each thumbnail: what decoders of pictures need and break ends with it.
import type sharp from 'sharp'
import { z } from 'zod'
import { importExtra, MissingExtra } from '../../lib/import-extra.ts'
import type { made } from './thumbnail.ts'

type Sharp = typeof sharp

const library = z.custom<Sharp>((value) => typeof value === 'function' && 'unblock' in value)

/** What other clients make. */
const bounds = { width: 800, height: 600 }
/** Some formats can only be decoded as a whole, with four bytes a pixel. */
const mostPixels = 50_000_000
/** What comes as a picture may hold anything: documents and drawings have decoders, too. */
const formats = ['Jpeg', 'Png', 'Webp', 'Nsgif', 'Heif'].flatMap((name) => [
  `VipsForeignLoad${name}File`,
  `VipsForeignLoad${name}Buffer`,
])

const [home = '', source = '', target = ''] = process.argv.slice(2)
console.log(JSON.stringify(await outcome()))

async function outcome(): Promise<z.infer<typeof made>> {
  const load = loaded()
  if (load === undefined) return { missing: true }
  try {
    return await make(load)
  } catch (error) {
    return { failed: error instanceof Error ? error.message : String(error) }
  }
}

async function make(load: Sharp): Promise<z.infer<typeof made>> {
  load.concurrency(1)
  load.block({ operation: ['VipsForeignLoad'] })
  load.unblock({ operation: formats })
  const picture = load(source, { limitInputPixels: mostPixels, failOn: 'none' })
  const { hasAlpha } = await picture.metadata()
  const small = picture.autoOrient().resize({ ...bounds, fit: 'inside', withoutEnlargement: true })
  // Few colours, but all clients show it.
  const encoded = hasAlpha ? small.png({ palette: true, effort: 1 }) : small.jpeg({ quality: 80 })
  const { width, height, format } = await encoded.toFile(target)
  return { mimeType: `image/${format}`, width, height }
}

function loaded(): Sharp | undefined {
  try {
    return library.parse(importExtra(home, 'sharp'))
  } catch (error) {
    // Without its binary for this system it throws as well.
    if (!(error instanceof MissingExtra)) console.error(error)
    return undefined
  }
}
