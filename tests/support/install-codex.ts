import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { cliEnv, installedCli } from './install-cli.ts'

const triples: Readonly<Record<string, string>> = {
  'linux-x64': 'x86_64-unknown-linux-musl',
  'linux-arm64': 'aarch64-unknown-linux-musl',
  'darwin-x64': 'x86_64-apple-darwin',
  'darwin-arm64': 'aarch64-apple-darwin',
}
const platform = `${process.platform}-${process.arch}`

const codex = installedCli({
  name: 'codex',
  package: '@openai/codex',
  version: '0.169.0',
  // The program itself, without npm's starter in front of it.
  program: `node_modules/@openai/codex-${platform}/vendor/${triples[platform]}/bin/codex`,
})

/** The real Codex. */
export const [codexBinary] = codex.command

/** Why the tests that need the real Codex cannot run here; undefined where they can. */
export function whyNoCodex(): Promise<string | undefined> {
  return codex.why()
}

/**
 * The whole environment of a Codex that talks to `modelUrl`, and a configuration in `home`, a fresh folder. `more`:
 * further lines of it.
 */
export function codexEnv(home: string, modelUrl: string, more = ''): Record<string, string> {
  const config = [
    'model = "gpt-5.5"',
    'model_provider = "scripted"',
    // Shells that run for a moment beside the first turn, to learn the aliases of the machine.
    'features.shell_snapshot = false',
    '[model_providers.scripted]',
    'name = "scripted"',
    `base_url = ${JSON.stringify(modelUrl)}`,
    'env_key = "SCRIPTED_KEY"',
    'wire_api = "responses"',
    'request_max_retries = 0',
    more,
  ]
  return { ...plainCodexEnv(home, config.join('\n')), SCRIPTED_KEY: 'sk-test-dummy' }
}

/** As above, with nothing in its configuration but `config`. */
export function plainCodexEnv(home: string, config = ''): Record<string, string> {
  // Its own folder must not lie in that for temporary files.
  for (const folder of ['.codex', 'tmp']) mkdirSync(join(home, folder), { recursive: true })
  writeFileSync(join(home, '.codex/config.toml'), config)
  return { ...cliEnv(home), TMPDIR: join(home, 'tmp') }
}
