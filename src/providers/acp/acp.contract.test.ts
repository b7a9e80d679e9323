import { providerContract } from '../../../tests/contracts/provider.ts'
import { fakeStage } from './fake-stage.fake.ts'

providerContract(
  'acp',
  async () => {
    const stage = await fakeStage()
    const prompts = {
      ...stage.prompts,
      background: (command: string) => `background ${command}`,
      question: (text: string, options: readonly string[]) => ['question ' + text, ...options].join('|'),
    }
    return { ...stage, prompts }
  },
  undefined,
)
