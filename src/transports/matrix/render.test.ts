import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import type { TurnEvent } from '../../core/provider.ts'
import { emptyView, fold, noticeView, type Choice, type View } from '../../core/view.ts'
import type { TextContent } from './content.ts'
import { matrixHtml } from './html.ts'
import { numberOf } from './keycaps.ts'
import { render, rememberingRender, type Style } from './render.ts'
import { stretches } from './split.ts'
import { runSeed } from '../../../tests/support/seeded.ts'

/** The messages that are text. */
function texts(view: View, style?: Style): readonly TextContent[] {
  return render(view, style).flatMap((content) => (content.kind === undefined ? [content] : []))
}

function bodies(view: View, style?: Style): readonly string[] {
  return texts(view, style).map(({ body }) => body)
}

function ended(text: string): View {
  return { state: 'ended', parts: [{ kind: 'text', text }], choices: [] }
}

function htmlOf(markdown: string): string | undefined {
  return texts(ended(markdown))[0]?.formatted_body
}

function growing(text: string): View {
  return { state: 'working', parts: [{ kind: 'text', text }], choices: [] }
}

function numberedWords(text: string): readonly string[] {
  return text.match(/w\d+/g) ?? []
}

function choices(count: number): readonly Choice[] {
  return Array.from({ length: count }, (_, index) => ({ token: `t${index}`, label: `Choice ${index + 1}` }))
}

describe('a turn on Matrix', () => {
  test('shows its plan as it stands, in one message', () => {
    const step = { text: 'Look\nround', status: 'completed' } as const
    const plan: View['parts'][number] = {
      kind: 'plan',
      entries: [step, { text: 'Build', status: 'in_progress' }, { text: 'Tell', status: 'pending' }],
    }
    const view: View = { state: 'working', parts: [plan, { kind: 'text', text: 'more' }], choices: [] }
    assert.deepEqual(render(view), [{ msgtype: 'm.notice', body: '☑ Look round\n▸ Build\n☐ Tell' }])
  })

  test('shows a file as a message of its own, where it was named', () => {
    const file = { kind: 'file', path: '/w/a.png', name: 'a.png', mimeType: 'image/png', size: 3 } as const
    const before: View['parts'][number] = { kind: 'text', text: 'Here:' }
    const parts: View['parts'] = [before, file, { kind: 'text', text: 'Nice?' }]
    const [first, second, third] = render({ state: 'ended', parts, choices: choices(2) })
    assert.deepEqual(first, { msgtype: 'm.text', body: 'Here:' })
    assert.deepEqual(second, file)
    assert.ok(third?.kind === undefined && third?.choices === 2)
    const last = render({ state: 'ended', parts: [file], choices: choices(1) })
    assert.deepEqual(
      last.map(({ kind }) => kind),
      ['file', undefined],
    )
  })

  test('says what it used in a small line below its last words', () => {
    const parts: View['parts'] = [
      { kind: 'text', text: 'Done.' },
      { kind: 'footer', text: '3 s · <2 tokens>' },
    ]
    assert.deepEqual(render({ state: 'ended', stop: 'end_turn', parts, choices: [] }), [
      {
        msgtype: 'm.text',
        body: 'Done.\n\n3 s · <2 tokens>',
        format: 'org.matrix.custom.html',
        formatted_body: '<p>Done.</p>\n<p><sub>3 s · &#x3C;2 tokens></sub></p>',
      },
    ])
  })

  test('grows in one message that is edited, where that is wished, and tells what runs', () => {
    const edits: Style = { streaming: 'edits', choices: 'reactions' }
    const text: View['parts'][number] = { kind: 'text', text: 'Look' }
    assert.deepEqual(bodies({ state: 'working', parts: [text], choices: [] }, edits), ['Look'])
    const tool: View['parts'][number] = { kind: 'tool', id: '1', title: 'ls', status: 'in_progress' }
    const working: View = { state: 'working', parts: [text, tool], choices: [] }
    assert.deepEqual(bodies(working, edits), ['Look\n\n⏳ ls'])
    assert.deepEqual(bodies({ ...working, state: 'ended' }, edits), ['Look'])
  })

  test('asks in a poll, where that is wished', () => {
    const polls: Style = { streaming: 'segments', choices: 'polls' }
    assert.deepEqual(render(noticeView('Which?', choices(2)), polls), [
      {
        kind: 'poll',
        question: 'Which?',
        answers: ['Choice 1', 'Choice 2'],
        body: 'Which?\n\n1️⃣ Choice 1\n2️⃣ Choice 2',
      },
    ])
    const [words, poll] = render(noticeView('long '.repeat(200), choices(2)), polls)
    assert.ok(words?.kind === undefined && words?.msgtype === 'm.text')
    assert.ok(poll?.kind === 'poll' && poll.question === 'What shall it be?')
    const [list] = render(noticeView('Which?', choices(21)), polls)
    assert.ok(list?.kind === undefined && list?.choices === 21, 'more than a poll can hold')
  })

  test('comes as one message for each finished stretch of text', () => {
    const events: readonly TurnEvent[] = [
      { type: 'text', delta: 'Looking' },
      { type: 'tool', id: '1', title: 'ls', status: 'in_progress' },
      { type: 'tool', id: '1', title: 'ls', status: 'completed' },
      { type: 'text', delta: 'Found it' },
      { type: 'turn.ended', stop: 'end_turn' },
    ]
    const strip: (readonly string[])[] = []
    let view = emptyView
    for (const event of events) {
      view = fold(view, event)
      strip.push(bodies(view))
    }
    assert.deepEqual(strip, [[], ['Looking'], ['Looking'], ['Looking'], ['Looking', 'Found it']])
  })

  test('shows neither tools nor thoughts', () => {
    const parts: View['parts'] = [
      { kind: 'thinking', text: 'hm' },
      { kind: 'tool', id: '1', title: 'ls', status: 'completed' },
    ]
    assert.deepEqual(render({ state: 'ended', parts, choices: [] }), [])
  })

  test("shows ductor's own words as a notice, letter by letter", () => {
    assert.deepEqual(render(noticeView('2 * 3 < 7 & *not* Markdown\n- no list')), [
      { msgtype: 'm.notice', body: '2 * 3 < 7 & *not* Markdown\n- no list' },
    ])
  })

  test('shows what a notice announces in the same message', () => {
    const view: View = {
      state: 'ended',
      parts: [
        { kind: 'notice', text: 'Run a command?' },
        { kind: 'code', text: 'rm -rf "<x>"\n```\ny', language: 'sh' },
      ],
      choices: choices(2),
    }
    assert.deepEqual(render(view), [
      {
        msgtype: 'm.text',
        body: 'Run a command?\n\n````sh\nrm -rf "<x>"\n```\ny\n````\n\n1️⃣ Choice 1\n2️⃣ Choice 2',
        format: 'org.matrix.custom.html',
        formatted_body:
          '<p>Run a command?</p>\n<pre><code class="language-sh">rm -rf "&#x3C;x>"\n```\ny\n</code></pre>\n<p>1️⃣ Choice 1<br>2️⃣ Choice 2</p>',
        choices: 2,
      },
    ])
  })

  test('shows what became of a question in the message that asked it', () => {
    const parts: View['parts'] = [
      { kind: 'notice', text: 'Run a command?' },
      { kind: 'code', text: 'ls' },
      { kind: 'notice', text: '→ Allow' },
    ]
    assert.deepEqual(bodies({ state: 'ended', parts, choices: [] }), [
      'Run a command?\n\n```\nls\n```\n\n→ Allow',
    ])
  })

  test('shows the notices of a turn as they come, and leaves them when it ends', () => {
    const parts: View['parts'] = [
      { kind: 'notice', text: 'Trying again' },
      { kind: 'notice', text: 'Gave up' },
    ]
    const working = bodies({ state: 'working', parts, choices: [] })
    assert.deepEqual(working, ['Trying again', 'Gave up'])
    assert.deepEqual(bodies({ state: 'ended', stop: 'failed', parts, choices: [] }), working)
  })

  test('numbers its choices with keycaps up to ten, and in figures beyond', () => {
    const [content] = texts({ state: 'ended', parts: [], choices: choices(12) })
    const lines = content?.body.split('\n') ?? []
    assert.deepEqual(
      lines.slice(0, 10).map((line) => numberOf(line.split(' ')[0] ?? '')),
      [1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
    )
    assert.deepEqual(lines.slice(10), ['11. Choice 11', '12. Choice 12'])
    assert.equal(content?.choices, 12)
  })

  test('keeps the label of a choice on one line, and never lets it become HTML', () => {
    const view: View = { state: 'ended', parts: [], choices: [{ token: 't', label: '<b>a\n b</b>' }] }
    const [content] = texts(view)
    assert.equal(content?.body, '1️⃣ <b>a b</b>')
    assert.doesNotMatch(content?.formatted_body ?? '', /<b>/)
  })

  test('is rendered the same whether it is remembered or not', () => {
    const remembering = rememberingRender()
    const view = { ...ended(document(7)), choices: choices(3) }
    assert.deepEqual(remembering(view), render(view))
    const [first] = remembering(ended('the same words'))
    assert.equal(remembering(ended('the same words'))[0], first)
  })
})

describe('text on Matrix', () => {
  test('is plain where it is plain', () => {
    assert.deepEqual(render(ended('Hello, world.\nSecond line')), [
      { msgtype: 'm.text', body: 'Hello, world.\nSecond line' },
    ])
  })

  for (const [what, markdown, html] of [
    ['emphasis', '**bold** and *soft*', '<strong>bold</strong> and <em>soft</em>'],
    ['line ends', 'a `b`\n**c**  \nd', 'a <code>b</code><br><strong>c</strong><br>d'],
    ['a link', '[x](https://a.b/?c=d&e)', '<a href="https://a.b/?c=d&#x26;e">x</a>'],
    ['a link to a file', '**see** [x.ts:3](src/x.ts#L3)', '<strong>see</strong> x.ts:3'],
    ['a dangerous link', '*x* [y](javascript:alert(1)) [z](data:text/html,x)', '<em>x</em> y z'],
    [
      'an image',
      '![a "<cat>"](https://a.b/c.png)',
      '<a href="https://a.b/c.png">a &#x22;&#x3C;cat>&#x22;</a>',
    ],
    ['an image in a link', '[![cat](https://a.b/c.png)](https://d.e)', '<a href="https://d.e">cat</a>'],
    ['live HTML', '*x* <script>alert(1)</script><img src=x onerror=y>', undefined],
    ['a tight list', '- a\n  - b\n- c', '<ul>\n<li>a\n<ul>\n<li>b</li>\n</ul>\n</li>\n<li>c</li>\n</ul>'],
    ['a list that goes on', '3. a\n4. b', '<ol start="3">\n<li>a</li>\n<li>b</li>\n</ol>'],
  ] as const) {
    test(`knows ${what}`, () => {
      const found = htmlOf(markdown)?.replaceAll('\n', '')
      if (html === undefined) assert.doesNotMatch(found ?? '', /<(?:script|img)/)
      else assert.equal(found, html.replaceAll('\n', ''))
    })
  }

  test('knows task lists and tables', () => {
    assert.match(htmlOf('- [x] done\n- [ ] open') ?? '', /<li>☑ done<\/li>.*<li>☐ open<\/li>/s)
    const table = htmlOf('| a | b |\n|:--|--:|\n| 1 | 2 |') ?? ''
    assert.match(table, /<table>.*<th>a<\/th>.*<td>1<\/td>.*<\/table>/s)
  })

  test('keeps the lines of code as they are', () => {
    assert.equal(
      htmlOf('```ts\nif (a < b) {\n\n  c()\n}\n```'),
      '<pre><code class="language-ts">if (a &#x3C; b) {\n\n  c()\n}\n</code></pre>',
    )
  })

  test('that is nested without end, or a table without end, is shown as its source', () => {
    assert.equal(matrixHtml('>'.repeat(30_000)), undefined)
    assert.equal(matrixHtml(`${'|a'.repeat(3000)}|\n${'|-'.repeat(3000)}|\n${'x\n'.repeat(5000)}`), undefined)
    for (const hostile of [
      '>'.repeat(30_000),
      '*a_'.repeat(10_000),
      '['.repeat(60_000),
      '`'.repeat(70_000),
      '<'.repeat(40_000),
    ]) {
      const contents = texts(ended(hostile))
      assert.equal(letters(contents.map(({ body }) => body).join('')), letters(hostile))
      for (const content of contents) assert.ok(bytesOf(content) <= 32_000)
    }
  })

  test('is lost nowhere, however long and however cut', () => {
    for (let seed = 0; seed < 80; seed++) {
      const markdown = document(seed)
      const contents = texts(ended(markdown))
      assert.deepEqual(
        contents.flatMap(({ body }) => numberedWords(body)),
        numberedWords(markdown),
        `seed ${seed}`,
      )
      for (const content of contents) {
        assert.ok(bytesOf(content) <= 32_000, `seed ${seed}: ${bytesOf(content)} bytes`)
        assert.ok(content.body.isWellFormed())
        assert.ok(fencesMatch(content.body), `seed ${seed}: a block of code is left open`)
      }
    }
  })

  test('loses nothing and keeps the limits, whatever it is', () => {
    const token = fc.constantFrom(
      '*',
      '_',
      '`',
      '```\n',
      '[',
      '](',
      '<',
      '>',
      '- ',
      '1. ',
      '|',
      '\n',
      '\n\n',
      '💥',
      'é',
      'x',
      '"',
      '&',
      '\\',
      '    ',
    )
    const monstrous = fc
      .tuple(fc.array(token, { minLength: 1, maxLength: 6 }), fc.integer({ min: 1, max: 9_000 }))
      .map(([unit, times]) => unit.join('').repeat(times).slice(0, 50_000))
    const word = fc.nat(99_999).map((number) => `w${number}`)
    const prose = fc.array(fc.oneof(word, token, fc.string({ unit: 'binary', maxLength: 20 })), {
      maxLength: 400,
    })
    const anything = fc.oneof(
      monstrous,
      prose.map((words) => words.join(' ')),
    )
    fc.assert(
      fc.property(anything, (markdown) => {
        const contents = texts(ended(markdown))
        const body = contents.map((content) => content.body).join('')
        assert.deepEqual(numberedWords(body), numberedWords(markdown))
        // A block of code that is cut is closed and opened again: nothing else comes to it.
        assert.equal(letters(body).replaceAll(/[`~]/g, ''), letters(markdown).replaceAll(/[`~]/g, ''))
        for (const content of contents) assert.ok(bytesOf(content) <= 32_000)
      }),
      { numRuns: 25, seed: runSeed },
    )
  })

  test('that was posted never changes while more is said', () => {
    for (let seed = 0; seed < 40; seed++) {
      const markdown = document(seed)
      const random = randomFrom(seed + 1000)
      const show = rememberingRender()
      let view = emptyView
      let posted: readonly string[] = []
      for (let at = 0; at < markdown.length;) {
        const step = 1 + Math.floor(random() * 900)
        view = fold(view, { type: 'text', delta: markdown.slice(at, at + step) })
        at += step
        const now = show(view).map((content) => JSON.stringify(content))
        assert.deepEqual(now.slice(0, posted.length), posted, `seed ${seed} at ${at}`)
        posted = now
      }
      view = fold(view, { type: 'turn.ended', stop: 'end_turn' })
      const last = render(view).map((content) => JSON.stringify(content))
      assert.deepEqual(last.slice(0, posted.length), posted, `seed ${seed} at the end`)
    }
  })

  test('that is very long is posted before it has ended, but not in the middle of code', () => {
    const paragraph = 'word '.repeat(300).trim()
    const code = `\`\`\`\n${'line\n\n'.repeat(1000)}`
    assert.equal(render(growing(`${paragraph}\n\n${paragraph}`)).length, 0)
    assert.equal(render(growing(`${paragraph}\n\n`.repeat(9))).length, 3 - 1)
    assert.equal(render(growing(code)).length, 0)
    assert.equal(render(growing(`${code}\`\`\`\n\nDone`)).length, 1)
  })

  test('joined, the stretches are the text', () => {
    for (let seed = 0; seed < 50; seed++) {
      const markdown = document(seed)
      assert.equal(stretches(markdown, true).join(''), markdown)
    }
  })
})

function bytesOf(content: object): number {
  return Buffer.byteLength(JSON.stringify(content))
}

function letters(text: string): string {
  return text.replaceAll(/\s/g, '')
}

/** Are all blocks of code that begin in this text also closed in it? */
function fencesMatch(body: string): boolean {
  return (body.match(/^```/gm) ?? []).length % 2 === 0
}

function randomFrom(seed: number): () => number {
  let state = (seed * 2_654_435_761 + 12_345) >>> 0
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}

/** A document of numbered words, of all the shapes that an agent writes. */
function document(seed: number): string {
  const random = randomFrom(seed)
  let count = 0
  const word = (): string => `w${count++}`
  const words = (most: number): string =>
    Array.from({ length: 1 + Math.floor(random() * most) }, word).join(' ')
  const lines = (most: number, line: () => string): string =>
    Array.from({ length: 1 + Math.floor(random() * most) }, line).join('\n')
  const shapes: readonly (() => string)[] = [
    () => words(400),
    () => lines(20, () => words(20)),
    () => `## ${words(5)}`,
    () => lines(40, () => `- ${words(12)}`),
    () => lines(10, () => `1. ${words(12)}\n\n   ${words(30)}\n`),
    () => `\`\`\`ts\n${lines(300, () => `${word()} < "${word()}"${random() < 0.2 ? '\n' : ''}`)}\n\`\`\``,
    () => `\`\`\`\n${words(6000)}\n\`\`\``,
    () => `| a | b |\n|---|---|\n${lines(100, () => `| ${word()} | ${word()} |`)}`,
    () => lines(10, () => `> ${words(20)}`),
    () => `**${words(20)}** 👩‍👩‍👧 &<>"' ${words(30)}`,
    () => words(9000),
  ]
  const blocks = Array.from({ length: 1 + Math.floor(random() * 12) }, () => {
    const shape = shapes[Math.floor(random() * shapes.length)]
    return shape?.() ?? ''
  })
  return blocks.join('\n\n')
}
