import { z } from 'zod'
import type { PermissionAnswer, Question } from '../../core/provider.ts'
import { suggested } from './grants.ts'
import type { PermissionQuestion } from './wire.ts'

const setMode = z.object({ type: z.literal('setMode'), mode: z.string() })

const asked = z.object({
  questions: z
    .array(
      z.object({
        question: z.string(),
        options: z.array(z.object({ label: z.string(), description: z.string().nullish() })).default([]),
        multiSelect: z.boolean().nullish(),
      }),
    )
    .min(1),
})

/** What Claude asks with its tool AskUserQuestion; undefined for any other request. */
export function questionsOf({ tool_name: name, input }: PermissionQuestion): readonly Question[] | undefined {
  if (name !== 'AskUserQuestion') return undefined
  return asked.safeParse(input).data?.questions.map(({ question, options, multiSelect }) => ({
    text: question,
    options: options.map(({ label, description }) => ({ label, ...(description ? { description } : {}) })),
    multiple: multiSelect === true,
  }))
}

/** The answer in Claude's terms. */
export function permission(question: PermissionQuestion, answer: PermissionAnswer): object {
  if (!answer.allow) return denial(answer.reason)
  return {
    behavior: 'allow',
    updatedInput: question.input,
    // For this session alone: an answer in a chat must not change the files of the project.
    ...(answer.remember === true
      ? { updatedPermissions: suggested(question).map((each) => ({ ...each, destination: 'session' })) }
      : {}),
  }
}

export function denial(reason = 'The person said no.'): object {
  return { behavior: 'deny', message: reason }
}

/** `answers`: for each question the labels, or the person's own words. */
export function replied(question: PermissionQuestion, answers: readonly (readonly string[])[]): object {
  const questions = questionsOf(question) ?? []
  return {
    behavior: 'allow',
    updatedInput: {
      ...question.input,
      answers: Object.fromEntries(
        questions.map(({ text }, index) => [text, (answers[index] ?? []).join(', ')]),
      ),
    },
  }
}

/** The mode that the answer lets Claude change to, if it does. */
export function grantedMode(question: PermissionQuestion, answer: PermissionAnswer): string | undefined {
  if (!answer.allow || answer.remember !== true) return undefined
  return setMode.safeParse(suggested(question).find((each) => setMode.safeParse(each).success)).data?.mode
}
