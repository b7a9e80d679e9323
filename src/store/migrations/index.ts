import { first } from './0001-first.ts'
import { grants } from './0002-grants.ts'

/** In order; the number of those that were carried out is the file's `user_version`. Never change one that was released. */
export const migrations: readonly string[] = [first, grants]
