import { transportContract } from '../../../tests/contracts/transport.ts'
import { harness } from './harness.fake.ts'

transportContract('telegram', harness)
