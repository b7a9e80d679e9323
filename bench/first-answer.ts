import { execFile, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { Running } from '../tests/support/ductor.ts'
import { eventually } from '../tests/support/eventually.ts'

const run = promisify(execFile)
const checkout = join(import.meta.dirname, '..')
const PATH = [dirname(process.execPath), process.env['PATH'] ?? ''].join(delimiter)

/** From `npm install -g` of the packed file to the first answer of the demo agent in `ductor try`; npm's cache is warm. */
export async function benchFirstAnswer(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'ductor-first-'))
  const env = { ...process.env, PATH }
  try {
    await run('npm', ['pack', '--silent', '--pack-destination', folder], { cwd: checkout, env })
    const packed = join(folder, readdirSync(folder).find((name) => name.endsWith('.tgz')) ?? '')
    const begun = performance.now()
    const install = [
      'install',
      '--global',
      '--prefix',
      folder,
      '--prefer-offline',
      '--no-audit',
      '--no-fund',
      packed,
    ]
    await run('npm', install, { env })
    const installed = performance.now()
    const program = join(folder, 'lib', 'node_modules', 'ductor', 'bin', 'ductor.mjs')
    const ductor = new Running(
      spawn(process.execPath, [program, 'try', '--provider', 'demo'], {
        env: { PATH, HOME: folder, DUCTOR_HOME: join(folder, 'home') },
        stdio: ['ignore', 'pipe', 'pipe'],
      }),
    )
    const [, base = '', token = ''] = /(http:\/\/[^/]+)\/#token=(\S+)/.exec(await ductor.ready()) ?? []
    const ready = performance.now()
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
    const conversation = randomUUID()
    const body = JSON.stringify({ id: randomUUID(), conversation, text: 'say: hello', files: [] })
    const said = await fetch(`${base}/api/messages`, { method: 'POST', headers, body })
    if (!said.ok) throw new Error(await said.text())
    await eventually(async () => {
      const page = await (await fetch(`${base}/api/conversations/${conversation}`, { headers })).text()
      return page.split('hello').length > 2
    })
    const answered = performance.now()
    await ductor.stop()
    const seconds = (from: number, to: number) => `${((to - from) / 1000).toFixed(1)} s`
    process.stdout.write(
      `npm install -g ${seconds(begun, installed)}, start ${seconds(installed, ready)}, first answer ${seconds(ready, answered)}, in all ${seconds(begun, answered)}\n`,
    )
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
