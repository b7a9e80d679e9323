import { z } from 'zod'
import { acpKeys } from '../acp-config.ts'

export const config = z.object({
  command: z
    .array(z.string())
    .min(1)
    .optional()
    .describe('the program and its first arguments, where it is not the `gemini` of the PATH'),
  ...acpKeys,
})
