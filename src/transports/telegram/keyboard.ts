import type { Choice } from '../../core/view.ts'
import { oneLine } from './clean-text.ts'

export interface Button {
  readonly text: string
  readonly callback_data: string
  readonly style?: 'primary' | 'danger'
}

export interface Keyboard {
  readonly inline_keyboard: readonly (readonly Button[])[]
}

/** Characters and buttons that fit beside each other on a phone. */
const rowCharacters = 26
const rowButtons = 3
const mostButtons = 100

/** The choices as buttons: short ones beside each other, long ones below. */
export function keyboard(choices: readonly Choice[]): Keyboard {
  const rows: Button[][] = []
  for (const { label, token, style } of choices.slice(0, mostButtons)) {
    const text = oneLine(label, 60) || '…'
    const button: Button = { text, callback_data: token, ...(style === undefined ? {} : { style }) }
    const row = rows.at(-1)
    if (row !== undefined && fits(row, button)) row.push(button)
    else rows.push([button])
  }
  return { inline_keyboard: rows }
}

function fits(row: readonly Button[], button: Button): boolean {
  const characters = [...row, button].reduce((sum, { text }) => sum + text.length, 0)
  return row.length < rowButtons && characters <= rowCharacters
}
