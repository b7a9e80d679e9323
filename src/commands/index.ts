import type { Command } from '../core/command.ts'
import { agentRestart, agents, agentStart, agentStop } from './agents.ts'
import { diagnose } from './diagnose.ts'
import { effort } from './effort.ts'
import { handoff } from './handoff.ts'
import { help } from './help.ts'
import { info } from './info.ts'
import { interrupt } from './interrupt.ts'
import { memory } from './memory.ts'
import { model } from './model.ts'
import { fresh } from './new.ts'
import { now } from './now.ts'
import { queue } from './queue.ts'
import { restart } from './restart.ts'
import { resume } from './resume.ts'
import { session } from './session.ts'
import { sessions } from './sessions.ts'
import { showFiles } from './showfiles.ts'
import { start } from './start.ts'
import { status } from './status.ts'
import { stop } from './stop.ts'
import { trace } from './trace.ts'
import { where } from './where.ts'

/** Every chat command, in the order in which help and menus list them. */
export const commands: readonly Command[] = [
  fresh,
  stop,
  interrupt,
  now,
  queue,
  status,
  session,
  sessions,
  model,
  effort,
  resume,
  handoff,
  memory,
  showFiles,
  trace,
  where,
  info,
  diagnose,
  restart,
  agents,
  agentStart,
  agentStop,
  agentRestart,
  help,
  start,
]
