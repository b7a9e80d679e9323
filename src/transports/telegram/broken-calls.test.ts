import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Asked, Meddling, Told } from './meddler.fake.ts'
import { keepsPromise, promises } from './promises.fake.ts'

describe('a bot on Telegram', { concurrency: 6 }, () => {
  for (const promise of Object.keys(promises)) {
    test(promise, () => keepsPromise(promise, (asked, pass) => pass(asked)))
  }
})

interface Broken {
  readonly fault: string
  readonly breaks: keyof typeof promises
  /** What the check says that catches it. */
  readonly caughtBy: RegExp
  readonly bot: () => Meddling
}

/** Makes calls of these methods otherwise. */
function calling(methods: RegExp, change: (parameters: Asked['parameters']) => object) {
  return (): Meddling => (asked, pass) =>
    pass(methods.test(asked.method) ? { ...asked, parameters: { ...change(asked.parameters) } } : asked)
}

const sends = /^sendMessage$/
const shows = /^(?:sendMessage|editMessageText)$/

/** Hears other updates than those that came. */
function hearing(change: (updates: readonly Update[]) => readonly object[]) {
  return (): Meddling => async (asked, pass) => {
    const told = await pass(asked)
    if (asked.method !== 'getUpdates' || !told.body.ok) return told
    return { ...told, body: { ...told.body, result: change(updatesIn(told)) } }
  }
}

interface Update {
  readonly update_id: number
  readonly [kind: string]: unknown
}

function updatesIn({ body }: Told): readonly Update[] {
  return Array.isArray(body.result) ? body.result : []
}

const done: Told = { status: 200, body: { ok: true, result: true } }

const broken: readonly Broken[] = [
  {
    fault: 'sends again when no answer came',
    breaks: 'does not send again what may have arrived',
    caughtBy: /Missing expected rejection/,
    bot: () => (asked, pass) => pass(asked).catch(() => pass(asked)),
  },
  {
    fault: 'confirms before it has stored',
    breaks: 'hears again what nobody has stored',
    caughtBy: /what was not stored comes/,
    bot: () => async (asked, pass) => {
      const told = await pass(asked)
      const last = asked.method === 'getUpdates' ? updatesIn(told).at(-1) : undefined
      if (last !== undefined)
        await pass({ method: 'getUpdates', parameters: { offset: last.update_id + 1, limit: 1 } })
      return told
    },
  },
  {
    fault: 'takes a lower number for a duplicate',
    breaks: 'hears what has a lower number after a quiet week',
    caughtBy: /a lower number is no duplicate/,
    bot: () => {
      let highest = 0
      return async (asked, pass) => {
        const told = await pass(asked)
        if (asked.method !== 'getUpdates' || !told.body.ok) return told
        const last = updatesIn(told).at(-1)
        const fresh = updatesIn(told).filter(({ update_id: id }) => id > highest)
        highest = Math.max(highest, last?.update_id ?? 0)
        if (last !== undefined && fresh.length === 0)
          await pass({ method: 'getUpdates', parameters: { offset: last.update_id + 1, limit: 1 } })
        return { ...told, body: { ok: true, result: fresh } }
      }
    },
  },
  {
    fault: 'takes an edited message for a new one',
    breaks: 'takes an edit for an edit',
    caughtBy: /an edited message is no new one/,
    bot: hearing((updates) =>
      updates.map(({ edited_message: edited, ...rest }) =>
        edited === undefined ? rest : { ...rest, message: edited },
      ),
    ),
  },
  {
    fault: 'begins with the newest update, offset -1',
    breaks: 'hears what was written while it was away',
    caughtBy: /all of the backlog is heard/,
    bot: calling(/^getUpdates$/, (all) => ({ offset: -1, ...all })),
  },
  {
    fault: 'begins with drop_pending_updates',
    breaks: 'hears what was written while it was away',
    caughtBy: /all of the backlog is heard/,
    bot: calling(/^deleteWebhook$/, (all) => ({ ...all, drop_pending_updates: true })),
  },
  {
    fault: 'asks for messages alone',
    breaks: 'hears a press of its button and answers it',
    caughtBy: /a press is heard/,
    bot: calling(/^getUpdates$/, (all) => ({ ...all, allowed_updates: ['message', 'edited_message'] })),
  },
  {
    fault: 'asks again and again without waiting',
    breaks: 'waits where there is nothing to hear',
    caughtBy: /short polling/,
    bot: calling(/^getUpdates$/, (all) => ({ ...all, timeout: 0 })),
  },
  {
    fault: 'never answers a press',
    breaks: 'hears a press of its button and answers it',
    caughtBy: /was never answered/,
    bot: () => async (asked, pass) => (asked.method === 'answerCallbackQuery' ? done : pass(asked)),
  },
  {
    fault: 'answers a press twice',
    breaks: 'hears a press of its button and answers it',
    caughtBy: /query is too old/,
    bot: () => async (asked, pass) => {
      if (asked.method === 'answerCallbackQuery') await pass(asked)
      return pass(asked)
    },
  },
  {
    fault: 'puts more than 64 bytes behind a button',
    breaks: 'hears a press of its button and answers it',
    caughtBy: /BUTTON_DATA_INVALID/,
    bot: calling(sends, (all) => ({
      ...all,
      reply_markup: { inline_keyboard: [[{ text: 'Yes', callback_data: `/run ${'x'.repeat(64)}` }]] },
    })),
  },
  {
    fault: 'leaves the keyboard out of an edit',
    breaks: 'keeps the buttons of a message whose words change',
    caughtBy: /the button is still there/,
    bot: calling(/^editMessageText$/, (all) => ({ ...all, reply_markup: undefined })),
  },
  {
    fault: 'posts into General as thread 1',
    breaks: 'answers in General of a forum',
    caughtBy: /message thread not found/,
    bot: calling(sends, (all) => ({ message_thread_id: 1, ...all })),
  },
  {
    fault: 'echoes the thread of a reply where there are no topics',
    breaks: 'answers a reply in a group without topics',
    caughtBy: /in a chat without topics/,
    bot: () => {
      let thread: unknown
      return async (asked, pass) => {
        const echo = sends.test(asked.method) ? { message_thread_id: thread } : {}
        const told = await pass({ ...asked, parameters: { ...asked.parameters, ...echo } })
        const [, found] = /"message_thread_id":(\d+)/.exec(JSON.stringify(told.body)) ?? []
        if (found !== undefined) thread = Number(found)
        return told
      }
    },
  },
  {
    fault: 'cuts a text in the middle of a character',
    breaks: 'shows a long text of emoji whole',
    caughtBy: /must be encoded in UTF-8/,
    bot: calling(sends, (all) => ({ ...all, text: String(all['text']).slice(0, 4095), entities: [] })),
  },
  {
    fault: 'gives a text more than 100 looks',
    breaks: 'shows all looks of a text that has many',
    caughtBy: /as bold as it was meant/,
    bot: () => {
      const more = Array.from({ length: 101 }, () => ({ type: 'italic', offset: 0, length: 1 }))
      return (asked, pass) =>
        pass(
          sends.test(asked.method)
            ? { ...asked, parameters: { ...asked.parameters, entities: more } }
            : asked,
        )
    },
  },
  {
    fault: 'gives Telegram any link',
    breaks: 'shows a link that Telegram does not take',
    caughtBy: /Entity URL .* is invalid/,
    bot: calling(shows, (all) => ({
      ...all,
      entities: [{ type: 'text_link', offset: 0, length: 2, url: 'http://localhost:3000' }],
    })),
  },
  {
    fault: 'lets Telegram parse what it writes',
    breaks: 'shows a link that Telegram does not take',
    caughtBy: /can't parse entities/,
    bot: calling(shows, (all) => ({ ...all, parse_mode: 'Markdown' })),
  },
  {
    fault: 'tries again at once when it was told to wait',
    breaks: 'leaves a chat alone for as long as it was told',
    caughtBy: /Telegram says it once/,
    bot: () => async (asked, pass) => {
      const told = await pass(asked)
      return told.status === 429 ? pass(asked) : told
    },
  },
]

describe('what a bot on Telegram promises catches one that', { concurrency: 6 }, () => {
  for (const { fault, breaks, caughtBy, bot } of broken) {
    test(`${fault}: “${breaks}”`, async () => {
      await assert.rejects(keepsPromise(breaks, bot()), (error: unknown) => {
        assert.match(String(error), caughtBy)
        return true
      })
    })
  }

  test('each promise is broken by at least one of them', () => {
    assert.deepEqual(new Set(broken.map(({ breaks }) => breaks)), new Set(Object.keys(promises)))
  })
})
