import { z } from 'zod'
import type { Flood } from './telegram-flood.fake.ts'
import type { Upload } from './telegram-files.fake.ts'
import { badRequest } from './telegram-refusal.fake.ts'
import type { World } from './telegram-world.fake.ts'

export interface Call {
  readonly world: World
  readonly flood: Flood
  /** The files that came with the request, by the name of their part. */
  readonly uploads: ReadonlyMap<string, Upload>
  /** Aborted when the client has gone. */
  readonly gone: AbortSignal
}

export interface Method {
  /** The parameters that this fake knows; the server ignores others in silence. */
  readonly parameters: readonly string[]
  run(parameters: unknown, call: Call): unknown
}

/** Lists, objects and numbers come as JSON, inside JSON or as text in a form. */
export function wired<T>(schema: z.ZodType<T>): z.ZodType<T> {
  return z.preprocess((value) => {
    if (typeof value !== 'string') return value
    try {
      return JSON.parse(value)
    } catch {
      // No JSON: the schema says what is wrong with it.
      return value
    }
  }, schema)
}

export const integer = wired(z.int())
export const flag = wired(z.boolean())
export const chatId = wired(z.int())
export const entities = wired(
  z.array(
    z.strictObject({
      type: z.string(),
      offset: z.int(),
      length: z.int(),
      url: z.string().exactOptional(),
      language: z.string().exactOptional(),
    }),
  ),
)

export function method<Shape extends z.ZodRawShape>(
  shape: Shape,
  run: (parameters: z.infer<z.ZodObject<Shape>>, call: Call) => unknown,
): Method {
  const schema = z.object(shape)
  return {
    parameters: Object.keys(shape),
    run: (parameters, call) => {
      const parsed = schema.safeParse(parameters)
      if (!parsed.success) throw badRequest(missing(parsed.error))
      return run(parsed.data, call)
    },
  }
}

/** As the server says it for what is left out most often. */
function missing(error: z.ZodError): string {
  const key = String(error.issues[0]?.path[0] ?? '')
  if (key === 'chat_id') return 'chat_id is empty'
  if (key === 'text') return 'message text is empty'
  if (key === 'message_id') return 'message identifier is not specified'
  if (key === 'entities') return "can't parse entities: wrong MessageEntity"
  if (key === 'reply_markup') return "can't parse reply keyboard markup JSON object"
  return `wrong parameter ${key} in request`
}

export const replyParameters = wired(
  z.strictObject({ message_id: z.int(), allow_sending_without_reply: z.boolean().optional() }),
)
