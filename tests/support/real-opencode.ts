import { cliEnv, installedCli } from './install-cli.ts'

const platform = process.platform === 'win32' ? 'windows' : process.platform

/** The real opencode. */
export const realOpencode = installedCli({
  name: 'opencode',
  package: 'opencode-ai',
  version: '1.18.33',
  // The program itself: npm's starter of it would be one process more.
  program: `node_modules/opencode-${platform}-${process.arch}/bin/opencode`,
})

/** The whole environment of an opencode that talks to `modelUrl`. `home` is a fresh folder. */
export function opencodeEnv(home: string, modelUrl: string): Record<string, string> {
  const limit = { context: 200_000, output: 8000 }
  const seeing = { attachment: true, modalities: { input: ['text', 'image'], output: ['text'] } }
  const models = { m1: { name: 'm1', limit, ...seeing }, m2: { name: 'm2', limit } }
  const mock = {
    npm: '@ai-sdk/openai-compatible',
    options: { baseURL: `${modelUrl}/v1`, apiKey: 'sk-test-dummy' },
    models,
  }
  return {
    ...cliEnv(home),
    OPENCODE_DISABLE_AUTOUPDATE: '1',
    OPENCODE_DISABLE_MODELS_FETCH: '1',
    OPENCODE_CONFIG_CONTENT: JSON.stringify({
      model: 'mock/m1',
      permission: { bash: 'ask', edit: 'ask' },
      provider: { mock },
    }),
  }
}
