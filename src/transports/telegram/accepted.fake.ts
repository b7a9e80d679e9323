import assert from 'node:assert/strict'
import type { Content } from '../../core/transport.ts'
import { deliverable, filesOf } from './content.ts'
import { fixText } from './telegram-entities.fake.ts'
import { checkKeyboard } from './telegram-keyboard.fake.ts'
import { blockWords, checkRich } from './telegram-rich.fake.ts'
import { networkLimits } from './telegram-limits.fake.ts'

/** Fails where the network would refuse one of the messages, or would change it; gives their texts. */
export function accepted(contents: readonly Content[]): readonly string[] {
  return contents.map((content) => {
    const wire = deliverable(content)
    if ('rich' in wire)
      return checkRich({ blocks: wire.rich }, networkLimits).blocks.map(blockWords).join('\n')
    if ('kind' in wire)
      return filesOf(wire)
        .map(({ name }) => name)
        .join(' ')
    const { text, entities, reply_markup: markup } = wire
    const lints: string[] = []
    const kept = fixText(text, entities, networkLimits, (fault) => void lints.push(fault))
    assert.deepEqual(lints, [], JSON.stringify(content))
    assert.equal(kept.text, text, 'the server keeps the text as it is')
    assert.deepEqual(kept.entities, entities, 'the server keeps the looks as they are')
    if (markup !== undefined) checkKeyboard(markup, networkLimits)
    return text
  })
}
