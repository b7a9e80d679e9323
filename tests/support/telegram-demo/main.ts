import { once } from 'node:events'
import { TelegramDemo } from './demo.ts'

await using demo = await TelegramDemo.start()
process.stdout.write(`Telegram without Telegram: ${demo.address}\nThe demo agent answers. Ctrl-C ends it.\n`)
await Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')])
