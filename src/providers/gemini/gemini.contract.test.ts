import { providerContract } from '../../../tests/contracts/provider.ts'
import { realGemini } from '../../../tests/support/real-gemini.ts'
import { geminiStage } from './gemini-stage.fake.ts'

providerContract('gemini', geminiStage, await realGemini.why())
