import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { keepsPromise } from '../../../tests/contracts/transport.ts'
import type { TransportDeps } from '../../core/define.ts'
import type { Inbound } from '../../core/message.ts'
import { DeliveryError, type Intake, type Transport } from '../../core/transport.ts'
import { harness } from './harness.fake.ts'
import type { Meddling } from './meddler.fake.ts'

interface Broken {
  readonly fault: string
  /** Which promise of the contract it breaks. */
  readonly breaks: string
  /** What the check says that catches it. */
  readonly caughtBy: RegExp
  readonly bot: (bot: Transport) => Transport
  /** What is done to its calls. */
  readonly meddling?: Meddling
}

/** What it hears, changed on the way. */
function hearing(change: (batch: readonly Inbound[]) => readonly Inbound[]) {
  return (bot: Transport): Transport => ({
    ...bot,
    listen: (intake, signal) =>
      bot.listen({ ...intake, take: (batch, remember) => intake.take(change(batch), remember) }, signal),
  })
}

function listening(change: (intake: Intake) => Intake) {
  return (bot: Transport): Transport => ({
    ...bot,
    listen: (intake, signal) => bot.listen(change(intake), signal),
  })
}

const aMessage = 'hears a message with its place, its sender and its id'
const changes = 'posts, edits and deletes a message'
const lostAnswer = 'does not know about a post whose answer was lost, unless it may safely be made again'

const broken: readonly Broken[] = [
  {
    fault: 'gives the time in seconds',
    breaks: aMessage,
    caughtBy: /sentAt is in milliseconds/,
    bot: hearing((batch) => batch.map((one) => ({ ...one, sentAt: one.sentAt / 1000 }))),
  },
  {
    fault: 'takes people by their name',
    breaks: aMessage,
    caughtBy: /strictly unequal to: ''/,
    bot: hearing((batch) => batch.map((one) => ({ ...one, sender: { id: '' } }))),
  },
  {
    fault: 'takes a private chat for a group',
    breaks: aMessage,
    caughtBy: /a private place is no group/,
    bot: hearing((batch) => batch.map((one) => ({ ...one, group: true }))),
  },
  {
    fault: 'remembers nothing of where it was',
    breaks: 'does not bring again what was taken and remembered',
    caughtBy: /'once',\s+\+\s+'once'/,
    bot: listening((intake) => ({
      ...intake,
      take: async (batch, remember) => {
        const renamed = batch.map((one) => ({ ...one, id: `${one.id}+${Math.random()}` }))
        await intake.take(renamed, remember)
        await intake.take(renamed, remember)
      },
    })),
  },
  {
    fault: 'confirms before it was taken',
    breaks: 'brings a message that was not taken again under the same id',
    caughtBy: /message 1 of the owner did not come/,
    bot: listening((intake) => ({
      ...intake,
      take: async (batch, remember) => {
        intake.take(batch, remember).catch(() => {})
      },
    })),
  },
  {
    fault: 'gives each coming another id',
    breaks: 'brings a message that was not taken again under the same id',
    caughtBy: /strictly equal/,
    bot: hearing((batch) => batch.map((one) => ({ ...one, id: `${one.id}+${Math.random()}` }))),
  },
  {
    fault: 'drops the backlog',
    breaks: 'hears after a restart what was written meanwhile, in order',
    caughtBy: /message 3 of the owner did not come/,
    bot: (bot) => bot,
    meddling: (asked, pass) => {
      const parameters = { ...asked.parameters, drop_pending_updates: true }
      return pass(asked.method === 'deleteWebhook' ? { ...asked, parameters } : asked)
    },
  },
  {
    fault: 'does not stop',
    breaks: 'stops listening soon after it is told to, also between two messages',
    caughtBy: /the end of listening did not come/,
    bot: (bot) => ({
      ...bot,
      listen: async (intake, signal) => {
        await bot.listen(intake, signal).catch(() => {})
        await sleep(12_000)
      },
    }),
  },
  {
    fault: 'posts instead of editing',
    breaks: changes,
    caughtBy: /an edit adds no message/,
    bot: (bot) => ({
      ...bot,
      deliver: (operation, signal) =>
        operation.type === 'edit'
          ? bot.deliver({ ...operation, type: 'post', notify: false }, signal)
          : bot.deliver(operation, signal),
    }),
  },
  {
    fault: 'deletes nothing',
    breaks: changes,
    caughtBy: /second thoughts/,
    bot: (bot) => ({
      ...bot,
      deliver: async (operation, signal) =>
        operation.type === 'delete' ? operation.ref : bot.deliver(operation, signal),
    }),
  },
  {
    fault: 'complains about an edit that is no news',
    breaks: 'makes an edit and a delete a second time without complaint',
    caughtBy: /message is not modified/,
    bot: (bot) => {
      const made = new Set<string>()
      return {
        ...bot,
        deliver: (operation, signal) => {
          if (made.has(operation.key)) throw new DeliveryError('rejected', 'message is not modified')
          made.add(operation.key)
          return bot.deliver(operation, signal)
        },
      }
    },
  },
  {
    fault: 'shows an empty message at the beginning of a turn',
    breaks: 'shows nothing for a turn that has said nothing yet',
    caughtBy: /text: '…'/,
    bot: (bot) => ({
      ...bot,
      render: (view) => (view.parts.length === 0 ? [{ text: '…' }] : bot.render(view)),
    }),
  },
  {
    fault: 'renders with the clock',
    breaks: 'renders the same view the same way each time',
    caughtBy: /at: 0\./,
    bot: (bot) => ({
      ...bot,
      render: (view) => bot.render(view).map((content) => ({ ...content, at: Math.random() })),
    }),
  },
  {
    fault: 'cuts a text where a message is full',
    breaks: 'loses nothing of a long text',
    caughtBy: /- +'word50/,
    bot: (bot) => ({ ...bot, render: (view) => bot.render(view).slice(0, 1) }),
  },
  {
    fault: 'puts the parts of a long text in the wrong order',
    breaks: 'loses nothing of a long block of code',
    caughtBy: /\+ +'word2852'/,
    bot: (bot) => ({ ...bot, render: (view) => bot.render(view).toReversed() }),
  },
  {
    fault: 'does not say for how long the chat must rest',
    breaks: 'says for how long the chat must rest when there are too many messages',
    caughtBy: /retryAfterMs is undefined/,
    bot: failingAs((failure) => new DeliveryError(failure.failure, failure.message)),
  },
  {
    fault: 'takes a refused connection for a doubt',
    breaks: 'tells a refused connection as unreachable, and posts when the network is back',
    caughtBy: /'unknown'\s+- 'unreachable'/,
    bot: failingAs(({ message }) => new DeliveryError('unknown', message)),
  },
  {
    fault: 'sends again when an answer was lost',
    breaks: lostAnswer,
    caughtBy: /the post did not fail/,
    bot: (bot) => ({
      ...bot,
      deliver: (operation, signal) =>
        bot.deliver(operation, signal).catch(() => bot.deliver(operation, signal)),
    }),
  },
  {
    fault: 'takes a lost answer for a failure',
    breaks: lostAnswer,
    caughtBy: /'unreachable'\s+- 'unknown'/,
    bot: failingAs(({ message }) => new DeliveryError('unreachable', message)),
  },
  {
    fault: 'finds what was never sent',
    breaks: 'finds a post whose answer was lost, and none that was never made',
    caughtBy: /'1' !== '2'/,
    bot: (bot) => ({ ...bot, find: async () => '1' }),
  },
]

function failingAs(change: (failure: DeliveryError) => DeliveryError) {
  return (bot: Transport): Transport => ({
    ...bot,
    deliver: (operation, signal) =>
      bot.deliver(operation, signal).catch((error: unknown) => {
        throw error instanceof DeliveryError ? change(error) : error
      }),
  })
}

describe('the contract of transports catches a bot that', { concurrency: 6 }, () => {
  for (const { fault, breaks, caughtBy, bot, meddling } of broken) {
    test(`${fault}: “${breaks}”`, async () => {
      const start = async () => {
        const whole = await harness(meddling)
        return { ...whole, open: async (deps: TransportDeps) => bot(await whole.open(deps)) }
      }
      await assert.rejects(keepsPromise(breaks, start), (error: unknown) => {
        assert.match(String(error), caughtBy)
        return true
      })
    })
  }
})
