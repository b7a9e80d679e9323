/** The command line asks for something that there is not; exit code 2. */
export class MisuseError extends Error {
  override readonly name = 'MisuseError'
}
