import type { Attachment } from '../../core/message.ts'

/** A prompt as the protocol wants it: the words, pictures as pictures, other files by their path. */
export function inputOf(prompt: string, attachments: readonly Attachment[]): readonly object[] {
  const here = attachments.flatMap((each) => (each.path === undefined ? [] : [{ ...each, path: each.path }]))
  const files = here.filter((each) => !isPicture(each))
  const text = [
    prompt,
    ...files.map(({ name, mimeType, path }) => `Attached: ${name} (${mimeType}), ${path}`),
  ]
    .filter((line) => line !== '')
    .join('\n')
  return [
    ...(text === '' ? [] : [{ type: 'text', text, text_elements: [] }]),
    ...here.filter(isPicture).map(({ path }) => ({ type: 'localImage', path })),
  ]
}

export function isPicture({ mimeType }: Attachment): boolean {
  return /^image\/(png|jpeg|gif|webp)$/.test(mimeType)
}
