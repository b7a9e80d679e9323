import { providerContract } from '../../../tests/contracts/provider.ts'
import { whyNoCodex } from '../../../tests/support/install-codex.ts'
import { stage } from './stage.fake.ts'

providerContract('codex', stage, await whyNoCodex())
