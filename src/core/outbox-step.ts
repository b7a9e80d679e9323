import type { Place } from './message.ts'
import type { PostRow } from './store.ts'
import type { Content, Operation, Post, Preview, Transport } from './transport.ts'
import type { View } from './view.ts'

/** Something that a chat should show: a turn as it goes on, an answer, a word of ductor's own. */
export interface Publication {
  /** Unique, and the same after a restart. */
  readonly key: string
  readonly place: Place
  readonly view: View
  /** A final view must come to be seen, whatever happens; one that is not may be overtaken by the next. */
  readonly final: boolean
  readonly turn?: string
  readonly replyTo?: string
}

/** A publication, and what is known of its messages. */
export interface Shown {
  publication: Publication
  posts: readonly PostRow[]
  saved: boolean
  /** Progress that met an unknown or refused call waits for the final view. */
  blocked: boolean
  /** How often ductor itself failed at it. */
  faults: number
  /** What the chat shows of it without a message. */
  previewed?: Content
}

/** One call that makes the chat more like the view. */
export type Step =
  | {
      readonly do: 'post'
      readonly index: number
      readonly content: Content
      readonly attempt: number
    }
  | { readonly do: 'edit'; readonly index: number; readonly content: Content; readonly post: PostRow }
  /** `anew`: another message takes its place. */
  | { readonly do: 'delete'; readonly index: number; readonly post: PostRow; readonly anew: boolean }
  | { readonly do: 'preview'; readonly content: Content; readonly preview: Preview }

export type PostStep = Extract<Step, { do: 'post' }>
export type CallStep = Exclude<Step, { do: 'preview' }>

/** The first difference between what is posted and what should be; undefined when they agree. */
export function nextStep({ publication, posts, previewed }: Shown, transport: Transport): Step | undefined {
  const wanted = transport.render(publication.view, publication.place)
  const known = new Map(posts.map((post) => [post.index, post]))
  for (const [index, content] of wanted.entries()) {
    const post = known.get(index)
    if (post === undefined && index === wanted.length - 1 && !publication.final) {
      const preview = transport.preview?.(publication.place)
      if (preview !== undefined) {
        return previewed !== undefined && same(previewed, content)
          ? undefined
          : { do: 'preview', content, preview }
      }
    }
    if (post?.ref === undefined) return { do: 'post', index, content, attempt: post?.attempt ?? 0 }
    if (post.content['kind'] !== content['kind']) return { do: 'delete', index, post, anew: true }
    if (!same(post.content, content)) return { do: 'edit', index, content, post }
  }
  const extra = posts.findLast(({ index }) => index >= wanted.length)
  return extra === undefined ? undefined : { do: 'delete', index: extra.index, post: extra, anew: false }
}

/** The post of which nobody knows whether it arrived, if there is one at this place. */
export function doubtfulPost({ posts }: Shown, wanted: number): PostRow | undefined {
  return posts.find(({ index, ref, revision }) => index === wanted && ref === undefined && revision >= 0)
}

export function operation(publication: Publication, step: PostStep): Post
export function operation(publication: Publication, step: CallStep): Operation
export function operation(publication: Publication, step: CallStep): Operation {
  const { place, key, replyTo, final } = publication
  const name = `${key}/${step.index}`
  switch (step.do) {
    case 'post':
      return {
        type: 'post',
        place,
        content: step.content,
        key: `${name}/p${step.attempt}`,
        notify: step.index === 0 || final,
        ...(replyTo === undefined || step.index > 0 ? {} : { replyTo }),
      }
    case 'edit':
      // Progress edits are not written down, so a final edit needs a name that none of them can have had.
      return {
        type: 'edit',
        place,
        content: step.content,
        ref: step.post.ref ?? '',
        key: `${name}/${final ? 'f' : 'l'}${step.post.attempt}.${step.post.revision}`,
      }
    case 'delete':
      return { type: 'delete', place, ref: step.post.ref ?? '', key: `${name}/d${step.post.attempt}` }
  }
}

function same(a: Content, b: Content): boolean {
  return a === b || JSON.stringify(a) === JSON.stringify(b)
}
