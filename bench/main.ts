// `npm run bench` measures ductor itself; `npm run bench -- providers` the CLIs through it, `-- scale` many
// conversations, many messages and many turns at once.
const [what] = process.argv.slice(2)
if (what === undefined) await import('./journey.ts')
else if (what === 'providers') await (await import('./providers.ts')).benchProviders()
else if (what === 'scale') await (await import('./scale.ts')).benchScale()
else {
  process.stderr.write(`There is no bench “${what}”. There are: none (ductor itself), providers, scale.\n`)
  process.exitCode = 2
}
