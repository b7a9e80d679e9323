// Preloaded into the program (`--import`): writes the address of each module that it loads, a line each, into the file
// that DUCTOR_LOADED names.
import { appendFileSync } from 'node:fs'
import { registerHooks } from 'node:module'

const path = process.env['DUCTOR_LOADED']
if (path !== undefined)
  registerHooks({
    load(url, context, nextLoad) {
      appendFileSync(path, `${url}\n`)
      return nextLoad(url, context)
    },
  })
