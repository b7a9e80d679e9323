import { z } from 'zod'

/** A column that may be null. */
export const optionalText = z
  .string()
  .nullable()
  .transform((value) => value ?? undefined)

/** JSON that we wrote ourselves, in a column that nothing else writes: its shape is that of the type. */
export const own = <T>() => z.string().transform((text): T => JSON.parse(text))

export const count = z.object({ n: z.number() })
