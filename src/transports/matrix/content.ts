import { z } from 'zod'

const textContent = z.object({
  kind: z.undefined().optional(),
  msgtype: z.enum(['m.text', 'm.notice']),
  body: z.string(),
  format: z.literal('org.matrix.custom.html').optional(),
  formatted_body: z.string().optional(),
  /** How many of its choices can be pressed; for us alone, and not sent. */
  choices: z.number().optional(),
})

export type TextContent = z.infer<typeof textContent>

/** A file of this machine, which is uploaded when the message is sent. */
const fileContent = z.object({
  kind: z.literal('file'),
  path: z.string(),
  name: z.string(),
  mimeType: z.string(),
  size: z.number(),
})

export type FileContent = z.infer<typeof fileContent>

const pollContent = z.object({
  kind: z.literal('poll'),
  question: z.string(),
  answers: z.array(z.string()),
  /** For clients that know no polls. */
  body: z.string(),
})

export type PollContent = z.infer<typeof pollContent>

/** What `render` makes of a message. */
export const matrixContent = z.union([fileContent, pollContent, textContent])

export type MatrixContent = z.infer<typeof matrixContent>
