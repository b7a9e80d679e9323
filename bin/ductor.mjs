#!/usr/bin/env node
// Plain JavaScript that old versions of Node can read (no await outside a function, no node: before the names of
// modules): its first line must be able to say which version is needed.
import { existsSync } from 'fs'
import module from 'module'
import { fileURLToPath } from 'url'
import v8 from 'v8'

const [major, minor] = process.versions.node.split('.').map(Number)
if (major < 24 || (major === 24 && minor < 12)) {
  process.stderr.write(
    `ductor needs Node 24.12 or newer; this is ${process.versions.node}. Install it from https://nodejs.org and try again.\n`,
  )
  process.exitCode = 1
} else {
  // ductor waits far more than it works: the heap's nursery stays at its first size, 1 MB, instead of growing to 48.
  v8.setFlagsFromString('--semi-space-growth-factor=1')
  // A checkout runs its sources as they are; the published package has only what was built from them.
  const source = new URL('../src/main.ts', import.meta.url)
  const built = new URL('../dist/main.js', import.meta.url)
  const fromSource = existsSync(fileURLToPath(source))
  // What a checkout has once made of its TypeScript is kept beside it: whoever may write there could change the program
  // anyway. What was built needs it less than it costs in memory.
  if (fromSource) module.enableCompileCache(fileURLToPath(new URL('../.cache/compile', import.meta.url)))
  void import((fromSource ? source : built).href)
}
