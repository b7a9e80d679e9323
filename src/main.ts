import { setTimeout as sleep } from 'node:timers/promises'
import { run } from './cli/main.ts'
import { isSupervised, restartCode, restartSelf, wouldFailForEver } from './service/restart-self.ts'

// Whoever reads our lines may leave before we do: that is no reason to end.
process.stdout.on('error', () => {})
process.stderr.on('error', () => {})

const words = process.argv.slice(2)
const ended = await run(words)
const code = ended === restartCode && !isSupervised(process.env) ? await restartSelf() : ended
process.exitCode = code
if (wouldFailForEver(words, code, process.env, process.uptime())) {
  // Whoever wants it to end has it end.
  for (const signal of ['SIGINT', 'SIGTERM']) process.removeAllListeners(signal)
  await sleep(30_000)
}
// Nothing that a library left open may keep a program that has ended from ending.
process.stdout.write('', () => process.exit(code))
