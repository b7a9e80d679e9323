import { defineTransport } from '../../core/define.ts'
import { config, warnings } from './config.ts'
import { diagnose } from './diagnose.ts'
import { inherit } from './inherit.ts'
import { setUp } from './set-up.ts'
import { Telegram } from './telegram.ts'

export default defineTransport({
  name: 'telegram',
  prefix: 'tg',
  config,
  warnings,
  diagnose,
  setUp,
  inherit,
  open: (options, deps) => new Telegram(options, deps),
})
