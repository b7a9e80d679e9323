import type { Command } from '../core/command.ts'
import { help } from './help.ts'
import { fresh } from './new.ts'
import { start } from './start.ts'
import { status } from './status.ts'
import { stop } from './stop.ts'

/** Every chat command, in the order in which help and menus list them. */
export const commands: readonly Command[] = [fresh, stop, status, help, start]
