#!/usr/bin/env node
// Plain JavaScript that old versions of Node can read: its first line must be able to say which version is needed.
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
if (major < 24 || (major === 24 && minor < 12)) {
  process.stderr.write(
    `ductor needs Node 24.12 or newer; this is ${process.versions.node}. Install it from https://nodejs.org and try again.\n`,
  )
  process.exit(1)
}

// A checkout runs its sources as they are; the published package has only what was built from them.
const source = new URL('../src/main.ts', import.meta.url)
const built = new URL('../dist/main.js', import.meta.url)
await import((existsSync(fileURLToPath(source)) ? source : built).href)
