import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { TurnEvent } from '../../core/provider.ts'
import { emptyView, fold, noticeView, type Choice, type Part, type View } from '../../core/view.ts'
import { accepted } from './accepted.fake.ts'
import { renderer, type MessageContent, type TextMessage } from './render.ts'

/** The messages of words; what else a view has is tried where files are. */
function wordsOf(made: readonly MessageContent[]): readonly TextMessage[] {
  return made.flatMap((message) => (isText(message) ? [message] : []))
}

function isText(message: MessageContent): message is TextMessage {
  return message['kind'] !== 'file'
}

const renderAll = renderer()
const render = (view: View) => wordsOf(renderAll(view))

/** The texts of the messages; fails where the network would not take them as they are. */
function texts(view: View): readonly string[] {
  return accepted(render(view))
}

function says(markdown: string): View {
  return { state: 'ended', parts: [{ kind: 'text', text: markdown }], choices: [] }
}

/** The looks of a Markdown text, as `type: words`. */
function looks(markdown: string): readonly string[] {
  const [message = { text: '', entities: [] }, ...more] = render(says(markdown))
  assert.deepEqual(more, [])
  accepted([message])
  return message.entities.map((entity) => {
    const words = message.text.slice(entity.offset, entity.offset + entity.length)
    return `${entity.type}${'url' in entity ? ` ${entity.url}` : ''}: ${words}`
  })
}

function shows(markdown: string): string {
  return texts(says(markdown)).join('\n—\n')
}

describe('a turn on Telegram', () => {
  test('is one message that grows', () => {
    const events: readonly TurnEvent[] = [
      { type: 'session.started', sessionId: 's' },
      { type: 'text', delta: 'Looking' },
      { type: 'tool', id: '1', title: 'ls', status: 'in_progress' },
      { type: 'tool', id: '1', title: 'ls', status: 'completed' },
      { type: 'thinking', delta: 'hm' },
      { type: 'text', delta: 'Found', block: 'b' },
      { type: 'text', delta: ' it', block: 'b' },
      { type: 'turn.ended', stop: 'end_turn' },
    ]
    let view = emptyView
    const strip = events.map((event) => {
      view = fold(view, event)
      return texts(view)
    })
    assert.deepEqual(strip, [
      [],
      ['Looking'],
      ['Looking\n… ls'],
      ['Looking\n✓ ls'],
      ['Looking\n✓ ls\n\nThinking …'],
      ['Looking\n✓ ls\nFound'],
      ['Looking\n✓ ls\nFound it'],
      ['Looking\n✓ ls\nFound it'],
    ])
  })

  test('shows nothing before there is something to see', () => {
    assert.deepEqual(texts(emptyView), [])
    const blanks = ['', ' \n ', '\u200B\u2060', '```\n```', '\u3164', '**']
    for (const text of blanks) {
      assert.deepEqual(texts({ ...says(text), state: 'working' }), [], JSON.stringify(text))
    }
    assert.deepEqual(texts({ state: 'ended', parts: [{ kind: 'thinking', text: 'hm' }], choices: [] }), [])
  })

  test('keeps the stretches of text of one turn apart', () => {
    const parts: readonly Part[] = [
      { kind: 'text', text: 'One.', block: 'a' },
      { kind: 'text', text: 'Two.', block: 'b' },
      { kind: 'notice', text: 'The CLI tries again.' },
      { kind: 'code', text: 'rm -rf build', language: 'sh' },
    ]
    assert.deepEqual(texts({ state: 'ended', parts, choices: [] }), [
      'One.\n\nTwo.\n\nThe CLI tries again.\n\nrm -rf build',
    ])
  })

  test('tells what became of each tool, on one line', () => {
    const parts: readonly Part[] = [
      { kind: 'tool', id: '1', title: 'Read\n  a.ts', status: 'completed' },
      { kind: 'tool', id: '2', title: 'Read a.ts', status: 'completed' },
      { kind: 'tool', id: '3', title: 'npm test', status: 'failed' },
      { kind: 'tool', id: '4', title: `cat ${'x'.repeat(1000)}`, status: 'in_progress' },
    ]
    const [text = ''] = texts({ state: 'working', parts, choices: [] })
    const lines = text.split('\n')
    assert.deepEqual(lines.slice(0, 2), ['✓ Read a.ts ×2', '✗ npm test'])
    assert.match(lines[2] ?? '', /^… cat x+…$/)
    assert.ok((lines[2] ?? '').length < 200)
  })

  test('folds a long run of tools once it is over', () => {
    const parts: readonly Part[] = Array.from({ length: 8 }, (_, index) => ({
      kind: 'tool',
      id: `${index}`,
      title: `step ${index}`,
      status: 'completed',
    }))
    const working = render({ state: 'working', parts, choices: [] })
    assert.deepEqual(working[0]?.entities, [])
    const over = render({
      state: 'working',
      parts: [...parts, { kind: 'text', text: 'Now' }],
      choices: [],
    })
    accepted(over)
    assert.equal(over[0]?.entities[0]?.type, 'expandable_blockquote')
  })

  test('shows words of ductor letter by letter', () => {
    assert.deepEqual(render(noticeView('see *a* _b_ `c` [d](http://e.fg)')), [
      { text: 'see *a* _b_ `c` [d](http://e.fg)', entities: [] },
    ])
  })

  test('grows into further messages only when one is full, and those before stay as they are', () => {
    const paragraphs = Array.from({ length: 120 }, (_, index) => `Paragraph ${index} ${'word '.repeat(20)}`)
    let before: readonly string[] = []
    for (let count = 1; count <= paragraphs.length; count += 7) {
      const now = texts({ ...says(paragraphs.slice(0, count).join('\n\n')), state: 'working' })
      assert.deepEqual(now.slice(0, Math.max(0, before.length - 1)), before.slice(0, -1))
      before = now
    }
    assert.ok(before.length > 2)
  })

  for (const one of ['👨‍👩‍👧‍👦', '🇩🇪', '👍🏽', 'กำ', 'e\u0301\u0323']) {
    test(`is cut between what are characters to the eye where nothing else parts it: ${one}`, () => {
      // The limit falls on each of its parts once.
      for (let shift = 0; shift < Array.from(one).length; shift += 1) {
        const messages = texts(says('x'.repeat(shift) + one.repeat(3000)))
        assert.ok(messages.length > 1)
        for (const text of messages) assert.match(text, new RegExp(`^x*(?:${one})+$`, 'u'))
      }
    })
  }

  test('is cut somewhere where it is one endless character', () => {
    assert.equal(texts(says(`Z${'\u0301'.repeat(9000)}`)).join('').length, 9001)
  })
})

describe('choices on Telegram', () => {
  const choices: readonly Choice[] = [
    { token: 'a'.repeat(32), label: 'Allow', style: 'primary' },
    { token: 'b', label: 'Deny', style: 'danger' },
    { token: 'c', label: 'Allow this kind for the whole session' },
  ]

  test('are buttons below the last message, short ones beside each other', () => {
    const messages = render({ ...says('word '.repeat(2000)), choices })
    accepted(messages)
    assert.ok(messages.length > 1)
    assert.deepEqual(
      messages.slice(0, -1).map(({ reply_markup: markup }) => markup),
      messages.slice(0, -1).map(() => undefined),
    )
    assert.deepEqual(messages.at(-1)?.reply_markup, {
      inline_keyboard: [
        [
          { text: 'Allow', callback_data: 'a'.repeat(32), style: 'primary' },
          { text: 'Deny', callback_data: 'b', style: 'danger' },
        ],
        [{ text: 'Allow this kind for the whole session', callback_data: 'c' }],
      ],
    })
  })

  test('have a message even where there is nothing else to say', () => {
    const messages = render({ state: 'ended', parts: [], choices })
    assert.equal(messages.length, 1)
    accepted(messages)
  })
})

describe('Markdown on Telegram', () => {
  test('keeps code in a quote within it, indentation and all', () => {
    assert.deepEqual(looks('> \t\ta\n\n> b'), ['blockquote:   a', 'pre:   a', 'blockquote: b'])
    assert.deepEqual(looks('> ```\n> a\n> ```'), ['blockquote: a', 'pre: a'])
  })

  test('loses no word that stands behind a fence', () => {
    assert.equal(shows('```ts title="a.ts"\nconst a = 1\n```'), 'title="a.ts"\nconst a = 1')
    assert.equal(shows('```über alles\nx\n```'), 'über alles\nx')
  })

  test('has its looks, and no marks', () => {
    assert.deepEqual(looks('# A *title*\n\nSome **bold**, _italic_, ~~gone~~ and `code`.'), [
      'bold: A title',
      'italic: title',
      'bold: bold',
      'italic: italic',
      'strikethrough: gone',
      'code: code',
    ])
    assert.equal(shows('# A *title*\n\nSome **bold**'), 'A title\n\nSome bold')
  })

  test('breaks bold around code, which may stand in nothing', () => {
    assert.deepEqual(looks('**call `run` now**'), ['bold: call ', 'code: run', 'bold:  now'])
    assert.deepEqual(looks('[`run`](https://example.com)'), ['text_link https://example.com: run'])
  })

  test('links what Telegram takes for a link, and writes out the rest', () => {
    assert.deepEqual(looks('[docs](https://example.com/a_(b)?c=d#e)'), [
      'text_link https://example.com/a_(b)?c=d#e: docs',
    ])
    assert.deepEqual(looks('[me](tg://user?id=1)'), ['text_link tg://user?id=1: me'])
    const others = {
      '[page](http://localhost:3000/x)': 'page (http://localhost:3000/x)',
      '[a.ts](src/a.ts#L3)': 'a.ts (src/a.ts#L3)',
      '[src/a.ts](src/a.ts)': 'src/a.ts',
      '[open](vscode://file/a)': 'open (vscode://file/a)',
      '[x](file:///etc/passwd)': 'x (file:///etc/passwd)',
      '[x](http://user:secret@example.com)': 'x (http://user:secret@example.com)',
      '[x](https://example.com:99999/)': 'x (https://example.com:99999/)',
      '[x](javascript:alert(1))': 'x (javascript:alert(1))',
      '<me@example.com>': 'me@example.com',
      '[](https://example.com)': 'https://example.com',
      '![a cat](cat.png)': '🖼 a cat (cat.png)',
      '[one][r]\n\n[r]: ./rel "t"': 'one (./rel)',
      '[nobody]: https://example.com': '[nobody]: https://example.com',
    }
    for (const [markdown, text] of Object.entries(others)) assert.equal(shows(markdown), text)
  })

  test('with more links than one message may carry comes in several, and keeps every link', () => {
    const urls = Array.from({ length: 60 }, (_, index) => `https://a.bc/${index}?${'q'.repeat(500)}`)
    const view = says(urls.map((url, index) => `[source ${index}](${url})`).join('\n'))
    const messages = render(view)
    accepted(messages)
    assert.ok(messages.length > 1)
    assert.deepEqual(
      messages.flatMap(({ entities }) => entities.map((entity) => 'url' in entity && entity.url)),
      urls,
    )
  })

  test('shows lists, tasks and what is in them', () => {
    const markdown =
      '- one\n  more of it\n  - two\n    1. three\n- [x] done\n- [ ] not done\n\n7. seven\n8. eight'
    assert.equal(
      shows(markdown),
      '• one\n   more of it\n   ◦ two\n      1. three\n☑ done\n☐ not done\n\n7. seven\n8. eight',
    )
  })

  test('keeps code as it is, in its language, also within a list', () => {
    const markdown = '1. do\n   ```ts\n   if (a) {\n     b\n   }\n   ```\n2. go on'
    assert.equal(shows(markdown), '1. do\nif (a) {\n  b\n}\n2. go on')
    assert.deepEqual(looks(markdown), ['pre: if (a) {\n  b\n}'])
    assert.equal(shows('```\n  indented\n```'), '  indented')
  })

  test('quotes, and folds long quotes', () => {
    assert.deepEqual(looks('> short\n> > inner'), ['blockquote: short\n\ninner'])
    assert.match(looks(`> ${'long '.repeat(200)}`)[0] ?? '', /^expandable_blockquote: long/)
  })

  test('draws a table that fits a phone', () => {
    const markdown = '| name | n |\n|---|--:|\n| a | 1 |\n| 日本 | 22 |'
    assert.equal(shows(markdown), 'name │  n\n─────┼───\na    │  1\n日本 │ 22')
    assert.deepEqual(
      looks(markdown).map((look) => look.slice(0, 4)),
      ['pre:'],
    )
  })

  test('makes records of a table that does not', () => {
    const markdown = `| name | what it does and why |\n|---|---|\n| **a** | ${'very '.repeat(10)} |\n| b | |`
    assert.equal(
      shows(markdown),
      `name: a\nwhat it does and why: ${'very '.repeat(10).trim()}\n\nname: b\nwhat it does and why: –`,
    )
    assert.deepEqual(looks('| a |\n|---|\n| [b](https://c.de) |'), ['text_link https://c.de: b', 'bold: b'])
  })

  test('shows HTML as text', () => {
    assert.equal(
      shows('a <b>c</b> <script>d</script>\n\n<div>\ne\n</div>'),
      'a <b>c</b> <script>d</script>\n\n<div>\ne\n</div>',
    )
    assert.equal(shows('one<br>two'), 'one\ntwo')
  })

  test('has no character that the server would change', () => {
    assert.equal(shows('a\u0000b\u0007\r\nc\u202Ed\uD800e'), 'ab\ncd\uFFFDe')
    assert.equal(shows('```\na\tb\n\tc\n```'), 'a   b\n    c')
    assert.equal(shows('a\u200E\u200F\u200Eb'), 'a\u200Eb')
    assert.equal(shows('x\u0333y\u033Fz\u030A'), 'xyz')
  })

  test('keeps rings on their letters, as file names of a Mac have them', () => {
    assert.equal(shows('A\u030Angstro\u0308m, r\u016F, ru\u030A'), 'Ångstro\u0308m, rů, rů')
  })

  test('leaves no open mark in sight while it is written', () => {
    const markdown =
      'See **the bold `code` word** and _this_ [link](https://example.com/page) in ~~text~~.\n\n- **item**\n- `x`\n\n```ts\nlet a = 1\n```\n'
    for (let end = 1; end <= markdown.length; end += 1) {
      const view: View = { ...says(markdown.slice(0, end)), state: 'working' }
      const [text = ''] = texts(view)
      assert.doesNotMatch(text, /[*_~`[\]()#]/, JSON.stringify(markdown.slice(0, end)))
    }
  })

  test('looks the same while it is written as when it is whole', () => {
    const markdown = [
      '# Title',
      'A **first** paragraph.',
      '- a\n\n  more of a\n\n- b',
      '```ts\nconst a = 1\n\nconst b = 2\n```',
      'Words.',
      '> quote\n\n1. one\n\n   ```sh\n   ls\n\n   pwd\n   ```\n\n2. two',
      '## Next\n\nThe `end`.\n',
    ].join('\n\n')
    const growing = renderer()
    for (let end = 1; end <= markdown.length; end += 1) {
      const view: View = { ...says(markdown.slice(0, end)), state: 'working' }
      accepted(growing(view))
      if (/\w\.\n$/.test(markdown.slice(0, end)))
        assert.deepEqual(growing(view), render(says(markdown.slice(0, end))))
    }
  })

  test('is never refused, however it is cut while it is written', () => {
    for (let end = 0; end <= nasty.length; end += 3) {
      texts({ ...says(nasty.slice(0, end)), state: 'working' })
      texts(says(nasty.slice(0, end)))
    }
  })

  test('is never refused, whatever is in it', () => {
    const random = dice(7)
    const pieces = [
      '*',
      '**',
      '_',
      '`',
      '```',
      '~~',
      '[',
      ']',
      '(',
      ')',
      '!',
      '#',
      '>',
      '- ',
      '1. ',
      '|',
      '\n',
      '\n\n',
      '  ',
      '\t',
      '\\',
      '<',
      '>',
      '&amp;',
      'http://a.b',
      'https://localhost',
      '😀',
      '👩‍👩‍👧',
      'é',
      '\u200B',
      'word',
      ':',
      '[^1]',
      '---',
      '[x]',
      '\uD83D',
    ]
    for (let round = 0; round < 600; round += 1) {
      const length = 1 + Math.floor(random() * 60)
      const source = Array.from({ length }, () => pieces[Math.floor(random() * pieces.length)]).join('')
      texts({ ...says(source), state: round % 2 === 0 ? 'working' : 'ended' })
    }
  })

  test('loses no word, whatever is around it', () => {
    const random = dice(11)
    for (let round = 0; round < 60; round += 1) {
      const { markdown, words } = document(random)
      const shown = texts(says(markdown)).join('\n')
      const found = new Set(shown.match(/w\d+/g))
      assert.deepEqual(
        words.filter((word) => !found.has(word)),
        [],
        markdown,
      )
    }
  })

  test('nested deeper than anybody writes is shown all the same', () => {
    assert.match(shows(`${'> '.repeat(300)}deep`), /deep$/)
    assert.match(shows(`${'- '.repeat(300)}deep`), /deep$/)
    assert.match(shows(`${'*a '.repeat(300)}deep`), /deep$/)
  })
})

/** Numbers from 0 to below 1 that look random and are the same each time. */
function dice(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}

/** A long document of well-formed Markdown, and the words in it. */
function document(random: () => number): { markdown: string; words: readonly string[] } {
  const words: string[] = []
  const word = (): string => {
    words.push(`w${words.length}`)
    return words.at(-1) ?? ''
  }
  const some = (least: number, most: number): number => least + Math.floor(random() * (most - least + 1))
  const line = (): string => Array.from({ length: some(1, 25) }, () => looked(word(), some(0, 9))).join(' ')
  const blocks = Array.from({ length: some(1, 60) }, () => {
    switch (some(0, 7)) {
      case 0:
        return `## ${line()}`
      case 1:
        return Array.from({ length: some(1, 9) }, () => `- ${line()}`).join('\n')
      case 2:
        return `- ${line()}\n  - ${line()}\n\n    ${line()}`
      case 3:
        return `\`\`\`js\n${Array.from({ length: some(1, 60) }, word).join('\n')}\n\`\`\``
      case 4:
        return `> ${line()}\n> ${line()}`
      case 5:
        return `| ${word()} | ${word()} |\n|---|---|\n| ${line()} | ${line()} |\n| ${word()} | |`
      case 6:
        return `${word()}${'😀'.repeat(some(0, 4000))}${word()}`
      default:
        return `${line()}\n${line()}`
    }
  })
  return { markdown: blocks.join('\n\n'), words }
}

function looked(word: string, look: number): string {
  switch (look) {
    case 0:
      return `**${word}**`
    case 1:
      return `*${word}*`
    case 2:
      return `\`${word}\``
    case 3:
      return `[${word}](https://example.com/x)`
    case 4:
      return `[${word}](./x.ts)`
    case 5:
      return `~~**${word}**~~`
    default:
      return word
  }
}

const nasty = [
  '# Title with `code` and **bold _both_**',
  '- a\n  - b\n    - c\n      1. d `e` **f**\n\n   g\n- [ ] task [x] done\n* [x] *star*',
  '| a | b |\n|:-:|--|\n| `x|y` | **z** [l](http://localhost) |\n| only |\n',
  '````md\n```js\ninner\n```\n````',
  '[a](https://en.wikipedia.org/wiki/A_(b)) [b](<https://example.com/a b>) [c](http://localhost:80) [d]() [](x)',
  '<div align="center">*not* bold</div> <!-- comment --> <br/> &lt;x&gt; &copy;',
  'snake_case_name and __init__ and 2*3*4 and * lonely star',
  '> quote with `code`\n> ```sh\n> rm -rf /\n> ```\n> > > deep **bold**\n\n> - list in quote',
  '**bold `code` *it* [**l**](https://a.bc)** ***all*** ~~**~~ **** __ ``` ` ```',
  'line\\\nbreak  \nhard \\* escaped \\_ \\` \\[',
  '![img](https://example.com/i.png "t") ![](x) [![badge](https://a.bc/b.svg)](https://a.bc)',
  '😀👩‍👩‍👧‍👦 **😀** `😀` é e\u0301 \u202Ertl\u202C \u200B \u00AD',
  'Term[^1] and[^2].\n\n[^1]: A note with `code`.\n[^2]: Another.',
  '---\n***\n- - -\n1) one\n2) two\n10. ten',
  'https://example.com/a_b_c?x=1&y=2, www.example.org. me@example.com http://localhost/x tg://resolve?domain=x',
  '\tindented code\n\n\t- not a list\n\n    four spaces',
  '| wide | table | with | many | columns | indeed |\n|-|-|-|-|-|-|\n| **1** | `2` | [3](https://c.de) | 4 | 5 | ~~6~~ |',
].join('\n\n')
