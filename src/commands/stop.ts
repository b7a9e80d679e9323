import type { Command } from '../core/command.ts'

export const stop: Command = {
  name: 'stop',
  aliases: ['cancel'],
  summary: 'end the running turn and drop what waits',
  async run(call) {
    const { stopped, dropped } = await call.stop()
    const waiting =
      dropped === 0 ? '' : ` ${dropped} waiting ${dropped === 1 ? 'message' : 'messages'} dropped.`
    if (stopped) return `Stopped.${waiting}`
    return dropped === 0 ? 'Nothing is running.' : `Nothing was running.${waiting}`
  },
}
