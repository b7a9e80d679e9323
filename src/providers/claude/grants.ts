import { z } from 'zod'
import type { Grant, PermissionMode } from '../../core/provider.ts'
import type { PermissionQuestion } from './wire.ts'

const update = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('addRules'),
    behavior: z.literal('allow'),
    rules: z.array(z.object({ toolName: z.string(), ruleContent: z.string().optional() })),
  }),
  z.object({ type: z.literal('addDirectories'), directories: z.array(z.string()) }),
  z.object({ type: z.literal('setMode'), mode: z.literal('acceptEdits') }),
])
const updates = z.array(update).min(1)
const rule = z.object({ mode: z.string(), updates })

type Update = z.infer<typeof update>

/** What was allowed before, as a new process is told it. */
export interface Carried {
  /** Undefined where nothing was allowed. */
  readonly permissions?: {
    readonly allow: readonly string[]
    readonly additionalDirectories: readonly string[]
  }
  /** The mode that the person let it change to. */
  readonly mode?: 'acceptEdits'
}

/**
 * What Claude suggests to allow for the session. Beside the rule for a command it also suggests to accept all edits;
 * whoever allows a command has not been asked about that.
 */
export function suggested({ permission_suggestions: all }: PermissionQuestion): readonly object[] {
  const suggestions = all ?? []
  const hasRules = suggestions.some(({ type }) => type === 'addRules')
  return hasRules ? suggestions.filter(({ type }) => type !== 'setMode') : suggestions
}

/** As it is kept with the session; undefined where a new process could not be told exactly this. */
export function grantOf(question: PermissionQuestion, mode: PermissionMode): Grant | undefined {
  const parsed = updates.safeParse(suggested(question)).data
  if (parsed === undefined) return undefined
  return { rule: JSON.stringify({ mode, updates: parsed }), says: parsed.flatMap(wordsOf).join(', ') }
}

/** What was allowed in this permission mode; in another one it would mean something else. */
export function carriedOver(grants: readonly Grant[], mode: PermissionMode): Carried {
  const kept = grants.flatMap((grant) => {
    const parsed = rule.safeParse(JSON.parse(grant.rule)).data
    return parsed?.mode === mode ? parsed.updates : []
  })
  if (kept.length === 0) return {}
  const allow = kept.flatMap((each) => (each.type === 'addRules' ? each.rules.map(ruleText) : []))
  const additionalDirectories = kept.flatMap((each) =>
    each.type === 'addDirectories' ? each.directories : [],
  )
  const accepts = kept.some(({ type }) => type === 'setMode')
  return { permissions: { allow, additionalDirectories }, ...(accepts ? { mode: 'acceptEdits' } : {}) }
}

function wordsOf(each: Update): readonly string[] {
  switch (each.type) {
    case 'addRules':
      return each.rules.map(({ toolName, ruleContent }) =>
        ruleContent === undefined ? toolName : `${toolName}(${ruleContent})`,
      )
    case 'addDirectories':
      return each.directories.map((folder) => `the folder ${folder}`)
    case 'setMode':
      return ['changing files']
  }
}

/** As Claude's settings write it: what stands in parentheses has its own escaped. */
function ruleText({ toolName, ruleContent }: { toolName: string; ruleContent?: string | undefined }): string {
  return ruleContent === undefined
    ? toolName
    : `${toolName}(${ruleContent.replaceAll(/[\\()]/g, String.raw`\$&`)})`
}
