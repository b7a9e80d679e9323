import { run } from './cli/main.ts'
import { isSupervised, restartCode, restartSelf } from './service/restart-self.ts'

// Whoever reads our lines may leave before we do: that is no reason to end.
process.stdout.on('error', () => {})
process.stderr.on('error', () => {})

const ended = await run(process.argv.slice(2))
const code = ended === restartCode && !isSupervised(process.env) ? await restartSelf() : ended
process.exitCode = code
// Nothing that a library left open may keep a program that has ended from ending.
process.stdout.write('', () => process.exit(code))
