import { providerContract } from '../../../tests/contracts/provider.ts'
import { fakeStage } from './fake-stage.fake.ts'

providerContract(
  'acp',
  async () => {
    const stage = await fakeStage()
    return { ...stage, prompts: { ...stage.prompts, background: (command) => `background ${command}` } }
  },
  undefined,
)
