import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { chromium, type Browser } from 'playwright-core'
import { holding } from './holding.ts'

const places = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome']

/** Why no browser can be had here; undefined if one can. On Debian as root, it is installed. Throws in CI. */
export async function whyNoChromium(): Promise<string | undefined> {
  if (program() !== undefined) return undefined
  try {
    await holding('chromium', install)
  } catch (error) {
    if (process.env['CI'] !== undefined) throw error
    return `Chromium is not here and cannot be installed: ${error instanceof Error ? error.message : String(error)}`
  }
  return program() === undefined ? 'Chromium is not here' : undefined
}

function program(): string | undefined {
  return places.find((place) => existsSync(place))
}

async function install(): Promise<void> {
  if (program() !== undefined) return
  execFileSync('apt-get', ['update'], { stdio: 'ignore' })
  execFileSync('apt-get', ['install', '-y', '--no-install-recommends', 'chromium'], { stdio: 'ignore' })
}

/** A browser that talks to nobody but the page. */
export function openChromium(): Promise<Browser> {
  return chromium.launch({
    executablePath: program() ?? 'chromium',
    args: [
      '--headless',
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  })
}
