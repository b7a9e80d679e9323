/** A person asked for something impossible. The message is the sentence to show; it is never logged as an error. */
export class UserError extends Error {
  override readonly name = 'UserError'
}
