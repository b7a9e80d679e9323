import { defineTransport } from '../../core/define.ts'
import { config, warnings } from './config.ts'
import { needs } from './crypto/library.ts'
import { diagnose } from './diagnose.ts'
import { inherit } from './inherit.ts'
import { setUp } from './set-up.ts'
import { likes } from './thumbnail.ts'
import { MatrixTransport } from './transport.ts'

export default defineTransport({
  name: 'matrix',
  prefix: 'mx',
  needs,
  likes,
  config,
  warnings,
  diagnose,
  setUp,
  inherit,
  open: (matrix, deps) => new MatrixTransport(matrix, deps),
})
