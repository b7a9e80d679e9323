// `npm run bench` measures ductor itself; `npm run bench -- providers [NAME…]` the CLIs through it, `-- scale`
// many conversations, many messages and many turns at once, `-- soak [N]` N turns through one provider (500),
// `-- matrix [N]` a large account and N answered messages (10,000) on a real homeserver.
const [what, ...more] = process.argv.slice(2)
if (what === undefined) await import('./journey.ts')
else if (what === 'providers') await (await import('./providers.ts')).benchProviders(more)
else if (what === 'first-answer') await (await import('./first-answer.ts')).benchFirstAnswer()
else if (what === 'scale') await (await import('./scale.ts')).benchScale()
else if (what === 'soak') await (await import('./soak.ts')).benchSoak(Number(more[0] ?? 500))
else if (what === 'matrix') await (await import('./matrix.ts')).benchMatrix(Number(more[0] ?? 10_000))
else {
  process.stderr.write(
    `There is no bench “${what}”. There are: none (ductor itself), providers, first-answer, scale, soak, matrix.\n`,
  )
  process.exitCode = 2
}
