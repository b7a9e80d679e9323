import { providerContract } from '../../../tests/contracts/provider.ts'
import { whyNoClaude } from '../../../tests/support/install-claude.ts'
import { claudeStage } from './stage.fake.ts'

providerContract('claude', claudeStage, await whyNoClaude())
