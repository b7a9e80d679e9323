import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Chosen } from './chosen.ts'
import type { Message } from './message.ts'
import type { Model } from './provider.ts'

/** So long a provider may take to tell its models. */
const lookMs = 10_000

/** A message that is for a model of its own, without the name of that. */
export interface AskedModel {
  readonly model: Model
  readonly message: Message
}

/**
 * `@opus words` is for that model of the provider, this once: the choice of the conversation stays. Undefined: it names
 * none, and all of it is words; so it is where a file of the workspace is called so, which people name in the same way.
 */
export async function askedModel(
  message: Message,
  { provider }: Chosen,
  workspace: string,
  signal: AbortSignal,
): Promise<AskedModel | undefined> {
  const [, asked, text] = /^@(\S{1,80})\s+([\s\S]+)$/.exec(message.text.trim()) ?? []
  if (asked === undefined || text === undefined || existsSync(resolve(workspace, asked))) return undefined
  const limit = AbortSignal.any([signal, AbortSignal.timeout(lookMs)])
  const list = await provider.models?.(limit).catch(() => {
    // It cannot tell now: then nobody knows that it is the name of a model.
    return undefined
  })
  const model = list?.models.find((each) => isCalled(each, asked))
  return model === undefined ? undefined : { model, message: { ...message, text } }
}

/** What its turn is begun with. An effort that was chosen for another model is not asked of one that has no such. */
export function forOnce({ model, message }: AskedModel, chosen: Chosen) {
  const { effort, ...rest } = chosen
  const has = effort !== undefined && model.efforts.includes(effort)
  return { message, chosen: { ...rest, model: model.id, ...(has ? { effort } : {}) } }
}

/** Whether a person means this model, by its id or by the name that people know it by. */
export function isCalled({ id, name }: Model, wanted: string): boolean {
  const lower = wanted.toLowerCase()
  return id.toLowerCase() === lower || name.toLowerCase() === lower
}
