import type { Heirloom } from '../../core/define.ts'

/** Chats and topics have Telegram's own numbers, in the old program as in ours: their keys say it all. */
export async function inherit(): Promise<Heirloom> {
  return {
    found: [],
    place(key) {
      const [, chat, thread] = /^tg:(-?\d+)(?::(\d+))?$/.exec(key) ?? []
      if (chat === undefined) return undefined
      return { key, transport: 'telegram', chat, ...(thread === undefined ? {} : { thread }) }
    },
    async take() {
      // There is nothing else to take.
    },
  }
}
