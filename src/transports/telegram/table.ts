import type { Nodes, PhrasingContent, Table } from 'mdast'
import type { Pen } from './pen.ts'
import { padEnd, padStart, width } from './width.ts'

/** Columns that a phone shows of a fixed-width font without wrapping. */
const phone = 46

type WriteCell = (cell: readonly PhrasingContent[]) => void

/** A table that fits a phone is drawn in a fixed-width font; a wider one becomes one record a row. */
export function writeTable(table: Table, pen: Pen, writeCell: WriteCell): void {
  const rows = table.children.map(({ children }) =>
    children.map((cell) => words(cell).replaceAll(/\s+/g, ' ').trim()),
  )
  const widths = columnWidths(rows)
  const total = widths.reduce((sum, columns) => sum + columns + 3, -3)
  if (total > phone || table.children.length < 2 || holdsLinks(table))
    return writeRecords(table, pen, writeCell)
  const line = (row: readonly string[]): string =>
    widths
      .map((columns, index) => {
        const cell = row[index] ?? ''
        return table.align?.[index] === 'right' ? padStart(cell, columns) : padEnd(cell, columns)
      })
      .join(' │ ')
      .trimEnd()
  const [head = [], ...body] = rows
  const rule = widths.map((columns) => '─'.repeat(columns)).join('─┼─')
  pen.code([line(head), rule, ...body.map(line)].join('\n'))
}

function columnWidths(rows: readonly (readonly string[])[]): readonly number[] {
  const count = Math.max(...rows.map((row) => row.length))
  return Array.from({ length: count }, (_, index) =>
    Math.max(1, ...rows.map((row) => width(row[index] ?? ''))),
  )
}

/** Code shows no links: where they would be lost, the table is written as records. */
function holdsLinks(table: Table): boolean {
  return table.children.some((row) =>
    row.children.some((cell) => cell.children.some((node) => hasTarget(node))),
  )
}

/** What a cell says, without its looks. */
function words(node: Nodes): string {
  if (node.type === 'html' && /^<br\s*\/?>$/i.test(node.value)) return ' '
  if ('value' in node) return node.value
  if (node.type === 'footnoteReference') return `[${node.label ?? node.identifier}]`
  return 'children' in node ? node.children.map(words).join('') : ''
}

function hasTarget(node: PhrasingContent): boolean {
  if (node.type === 'link') return words(node) !== node.url
  if (/^(?:image|linkReference|imageReference)$/.test(node.type)) return true
  return 'children' in node && node.children.some(hasTarget)
}

function writeRecords({ children }: Table, pen: Pen, writeCell: WriteCell): void {
  const [head, ...rows] = children
  const names = head?.children.map(({ children: cell }) => cell) ?? []
  if (rows.length === 0) {
    for (const [index, name] of names.entries()) {
      if (index > 0) pen.write(' │ ')
      pen.styled({ type: 'bold' }, () => writeCell(name))
    }
    return
  }
  for (const [index, row] of rows.entries()) {
    if (index > 0) pen.newLine(1)
    writeRecord(
      names,
      row.children.map(({ children: cell }) => cell),
      pen,
      writeCell,
    )
  }
}

/** `Name: value` a line; the first value stands out, as it names the record. */
function writeRecord(
  names: readonly (readonly PhrasingContent[])[],
  cells: readonly (readonly PhrasingContent[])[],
  pen: Pen,
  writeCell: WriteCell,
): void {
  for (let index = 0; index < Math.max(names.length, cells.length); index += 1) {
    const name = names[index] ?? []
    const cell = cells[index] ?? []
    if (name.length === 0 && cell.length === 0) continue
    if (index > 0) pen.newLine()
    if (name.length > 0) {
      writeCell(name)
      pen.write(': ')
    }
    if (cell.length === 0) pen.write('–')
    else if (index === 0) pen.styled({ type: 'bold' }, () => writeCell(cell))
    else writeCell(cell)
  }
}
