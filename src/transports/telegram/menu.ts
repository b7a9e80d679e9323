/** What Telegram offers to those who type a slash: the commands that every chat understands. */
export const menu = [
  { command: 'new', description: 'Begin a new conversation' },
  { command: 'stop', description: 'Stop the running turn' },
  { command: 'status', description: 'What runs, what waits, which session' },
  { command: 'help', description: 'List the commands' },
  { command: 'start', description: 'Say hello' },
] as const
