import { readdirSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { extname } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Hono } from 'hono'

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
}

const libraries: Readonly<Record<string, () => string>> = {
  '/lib/preact.js': () => import.meta.resolve('preact'),
  '/lib/htm.js': () => import.meta.resolve('htm'),
}

/** What the page is made of: the folder `page`, and two libraries. It holds no secret, so anybody here may read it. */
export function servePage(app: Hono): void {
  const serve = (path: string, type: string | undefined, url: () => string) => {
    app.get(path, async (context) =>
      context.body(await readFile(fileURLToPath(url())), 200, { 'Content-Type': type ?? 'text/plain' }),
    )
  }
  for (const name of readdirSync(new URL('page/', import.meta.url))) {
    const path = name === 'index.html' ? '/' : `/${name}`
    serve(path, types[extname(name)], () => new URL(`page/${name}`, import.meta.url).href)
  }
  for (const [path, url] of Object.entries(libraries)) serve(path, types['.js'], url)
}
