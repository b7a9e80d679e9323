/** What a newcomer is told first. */
export const introduction = `I am the **demo agent** that comes with ductor. I am not an AI: I only show what a real agent looks like here.

To talk to a real one, install Claude Code (\`npm install -g @anthropic-ai/claude-code\`), sign in with \`claude\`, and start ductor again.

Try one of these:

- \`markdown\`, \`plan\`, \`tool\`, \`think\`, \`usage\`
- \`ask\` asks you something, \`permission\` asks for leave, \`buttons Yes|No\` offers buttons
- \`file hello.txt\` or \`file picture.png\` sends a file, \`attachments?\` lists what you sent
- \`slow 20\` counts slowly: stop it, or write something meanwhile
- \`background 5\` speaks again by itself
- \`words\` lists everything that I know`

export const showcase = `# A heading

A list:

- **bold**, *italic*, ~~struck~~ and \`code\`
- [a link](https://example.com/)

| fruit | price |
| --- | ---: |
| apple | 1.20 |
| pear | 0.90 |

\`\`\`ts
const answer = 42
\`\`\`

> A quotation.`
