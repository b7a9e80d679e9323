import { providerContract } from '../../../tests/contracts/provider.ts'
import { realOpencode } from '../../../tests/support/real-opencode.ts'
import { opencodeStage } from './opencode-stage.fake.ts'

providerContract('opencode', opencodeStage, await realOpencode.why())
