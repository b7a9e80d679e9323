import { setTimeout as sleep } from 'node:timers/promises'
import { transportContract } from '../../../tests/contracts/transport.ts'
import definition from './index.ts'

interface Shown {
  ref: string
  from: string
  content: { parts?: { html?: string; text?: string }[] }
}

const alone = 'the page is its own network: nothing lies between ductor and what it shows'
const place = { key: 'web:one', transport: 'web', chat: 'one' }

transportContract(
  'web',
  async () => {
    let address = ''
    const ended = new AbortController()
    let unsent = Promise.resolve()
    const call = async (path: string, body?: object): Promise<unknown> => {
      const [base = '', token = ''] = address.split('/#token=')
      const response = await fetch(`${base}/api/${path}`, {
        method: body === undefined ? 'GET' : 'POST',
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      })
      if (!response.ok) throw new Error(`${path}: ${response.status}`)
      return response.json()
    }
    /** As the page does: again and again under the same id until it is taken. */
    const insist = async (id: string, text: string) => {
      while (!ended.signal.aborted) {
        const taken = await call('messages', { id, conversation: place.chat, text }).catch(() => undefined)
        if (taken !== undefined) return
        await sleep(10)
      }
    }
    return {
      place,
      async open(deps) {
        return definition.open(definition.config.parse({}), {
          ...deps,
          report(now) {
            address = now.account ?? address
            deps.report(now)
          },
        })
      },
      async say(text) {
        const id = crypto.randomUUID()
        unsent = unsent.then(() => insist(id, text))
        return id
      },
      async shown() {
        const { messages } = (await call(`conversations/${place.chat}`)) as { messages: Shown[] }
        return messages
          .filter(({ from }) => from === 'bot')
          .map(({ ref, content: { parts = [] } }) => ({
            ref,
            text: parts.map(({ html = '', text = html.replace(/<[^>]+>/g, '') }) => text).join('\n'),
          }))
      },
      async failNext() {
        throw new Error(alone)
      },
      async stop() {
        ended.abort()
      },
    }
  },
  {
    skip: {
      'says for how long the chat must rest when there are too many messages': alone,
      'tells a refused connection as unreachable, and posts when the network is back': alone,
      'does not know about a post whose answer was lost, unless it may safely be made again': alone,
    },
  },
)
