import { z } from 'zod'
import type { ModelList } from '../../core/provider.ts'

/** What Claude says of itself when it is greeted, or asked for its models. */
const told = z.object({
  models: z
    .array(
      z.object({
        value: z.string(),
        displayName: z.string(),
        description: z.string().nullish(),
        supportedEffortLevels: z.array(z.string()).nullish(),
      }),
    )
    .min(1),
})

const efforts = ['low', 'medium', 'high', 'xhigh', 'max']

/** For a Claude that does not tell. */
export const keptModels: ModelList = {
  asOf: '2026-11-22',
  models: [
    { id: 'default', name: 'Default', description: 'What Claude recommends', efforts, isDefault: true },
    { id: 'opus', name: 'Opus', description: 'For everyday, complex tasks', efforts },
    { id: 'fable', name: 'Fable', description: 'For the hardest and longest tasks', efforts },
    { id: 'sonnet', name: 'Sonnet', description: 'For routine tasks', efforts },
    { id: 'haiku', name: 'Haiku', description: 'For quick answers', efforts },
  ],
}

/** Undefined where the answer holds no models. */
export function modelsOf(answer: unknown): ModelList | undefined {
  const parsed = told.safeParse(answer)
  if (!parsed.success) return undefined
  return {
    models: parsed.data.models.map(({ value, displayName, description, supportedEffortLevels }) => ({
      id: value,
      name: displayName,
      ...(description ? { description } : {}),
      efforts: supportedEffortLevels ?? [],
      ...(value === 'default' ? { isDefault: true } : {}),
    })),
  }
}
