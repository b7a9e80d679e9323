import { defineTransport } from '../../core/define.ts'
import { config, warnings } from './config.ts'
import { Telegram } from './telegram.ts'

export default defineTransport({
  name: 'telegram',
  prefix: 'tg',
  config,
  warnings,
  open: (options, deps) => new Telegram(options, deps),
})
