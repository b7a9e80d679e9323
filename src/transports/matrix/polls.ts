import { z } from 'zod'
import type { PollContent } from './content.ts'
import { related } from './wire.ts'

/**
 * Polls by the names of MSC3381 and MSC1767, under which all clients send and know them; the stable names of the
 * specification are understood, too.
 */
export const pollStart = 'org.matrix.msc3381.poll.start'

/** Clients may cut longer polls. */
export const mostAnswers = 20

export function isPollResponse(type: string): boolean {
  return type === 'org.matrix.msc3381.poll.response' || type === 'm.poll.response'
}

export function pollEvent({ question, answers, body }: PollContent): Readonly<Record<string, unknown>> {
  return {
    [pollStart]: {
      question: { 'org.matrix.msc1767.text': question, msgtype: 'm.text', body: question },
      kind: 'org.matrix.msc3381.poll.disclosed',
      max_selections: 1,
      answers: answers.map((label, index) => ({
        id: String(index + 1),
        'org.matrix.msc1767.text': label,
      })),
    },
    'org.matrix.msc1767.text': body,
  }
}

const chosen = z.array(z.string().regex(/^[1-9]\d?$/)).min(1)

const response = z.object({
  'org.matrix.msc3381.poll.response': z.object({ answers: chosen }).optional().catch(undefined),
  'm.selections': chosen.optional().catch(undefined),
})

/** Which answer of which poll was chosen; undefined for a response that is none, or was taken back. */
export function chosenIn(
  content: Readonly<Record<string, unknown>>,
): { readonly poll: string; readonly number: number } | undefined {
  const { event_id: poll, rel_type: type } = related.safeParse(content).data?.['m.relates_to'] ?? {}
  const said = response.safeParse(content).data
  const [answer] = said?.['org.matrix.msc3381.poll.response']?.answers ?? said?.['m.selections'] ?? []
  if (poll === undefined || type !== 'm.reference' || answer === undefined) return undefined
  return { poll, number: Number(answer) }
}
