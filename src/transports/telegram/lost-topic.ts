import type { FilesContent, WordsContent } from './content.ts'
import { join, whole } from './formatted.ts'
import { messageLimits } from './split.ts'

/** What was meant for a topic that takes no more messages says so where it is shown instead, if that fits. */
export function fromLostTopic(
  content: WordsContent | FilesContent,
  topic: { readonly name?: string; readonly state: string } | undefined,
): WordsContent | FilesContent {
  if (topic === undefined || 'kind' in content) return content
  const name = topic.name === undefined ? 'A topic' : `The topic “${topic.name}”`
  const line = whole(`${name} is ${topic.state}, so this comes here:`, { type: 'italic' })
  if ('rich' in content) {
    return {
      ...content,
      rich: [{ type: 'paragraph', text: { type: 'italic', text: line.text } }, ...content.rich],
    }
  }
  const both = join([line, content], () => '\n\n')
  const fits =
    Array.from(both.text).length <= messageLimits.characters && both.entities.length <= messageLimits.entities
  return fits ? { ...content, text: both.text, entities: [...both.entities] } : content
}
