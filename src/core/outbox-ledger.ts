import { doubtfulPost, type CallStep, type PostStep, type Publication, type Shown } from './outbox-step.ts'
import type { PostRow, Store } from './store.ts'
import type { MessageRef, Transport } from './transport.ts'

/** What is known of the publications and their messages, in memory and in the store alike. Writes, and may throw. */
export class Ledger {
  readonly #store: Store

  constructor(store: Store) {
    this.#store = store
  }

  save(publication: Publication, state: 'live' | 'final'): void {
    const { key, place, view, turn, replyTo } = publication
    this.#store.savePublication({
      key,
      place,
      view,
      state,
      ...(turn === undefined ? {} : { turn }),
      ...(replyTo === undefined ? {} : { replyTo }),
    })
  }

  /** What is about to be posted is written down first: after a crash it is known that it may be there. */
  begin(shown: Shown, step: CallStep, transport: Transport): void {
    if (step.do !== 'post') return
    const { index, attempt, content } = step
    this.#store.transaction(() => {
      if (!shown.saved) this.save(shown.publication, 'live')
      shown.saved = true
      if (doubtfulPost(shown, index) !== undefined && !transport.dropsDoubles)
        this.note(
          shown,
          'sent again',
          `message ${index + 1} may appear twice: its first sending has no known end`,
        )
      this.#write(shown, { index, attempt, content, revision: 0 })
    })
  }

  /** The call was surely not carried out: its post is not doubtful. */
  unbegin(shown: Shown, { index }: PostStep): void {
    const earlier = shown.posts.find((post) => post.index === index)
    if (earlier?.ref === undefined) this.forget(shown, index)
  }

  /** A post whose fate was unknown had arrived. */
  found(shown: Shown, post: PostRow, ref: MessageRef): void {
    this.#store.transaction(() => {
      this.#write(shown, { ...post, ref })
      this.note(shown, 'found', `as ${ref}: it had arrived`)
    })
  }

  /** `delivered` is the publication that the call showed; a newer one may have come meanwhile. */
  done(shown: Shown, delivered: Publication, step: CallStep, ref: MessageRef): void {
    switch (step.do) {
      case 'post': {
        const { index, attempt, content } = step
        return this.#store.transaction(() => {
          this.#write(shown, { index, attempt, ref, content, revision: 0 })
          this.note(shown, 'shown', `as ${ref}`)
        })
      }
      case 'edit': {
        const post = { ...step.post, content: step.content, revision: step.post.revision + 1 }
        // Progress is not worth a write.
        if (delivered.final) this.#write(shown, post)
        else shown.posts = replace(shown.posts, post)
        return
      }
      case 'delete':
        if (step.anew) this.postAnew(shown, step.post)
        else this.forget(shown, step.index)
    }
  }

  /** Another message is to take the place of this one, which is gone: under a key of its own. */
  postAnew(shown: Shown, { ref: _gone, ...post }: PostRow): void {
    this.#write(shown, { ...post, attempt: post.attempt + 1, revision: -1 })
  }

  forget(shown: Shown, index: number): void {
    this.#store.removePost(shown.publication.key, index)
    shown.posts = shown.posts.filter((post) => post.index !== index)
  }

  /** The chat shows it as it should. */
  settle(shown: Shown): void {
    this.#store.transaction(() => {
      this.#store.setPublicationState(shown.publication.key, 'settled')
      const refs = shown.posts.flatMap(({ ref }) => ref ?? [])
      if (refs.length > 0) this.note(shown, 'delivered', `as ${refs.join(', ')}`)
    })
  }

  /** It will never come to be seen. */
  bury(shown: Shown, reason: string): void {
    this.note(shown, 'not delivered', reason)
    this.#store.setPublicationState(shown.publication.key, 'dead')
  }

  note({ publication }: Shown, event: string, detail: string): void {
    if (publication.turn !== undefined) this.#store.note({ turn: publication.turn }, event, detail)
  }

  #write(shown: Shown, post: PostRow): void {
    this.#store.putPost(shown.publication.key, post)
    shown.posts = replace(shown.posts, post)
  }
}

function replace(posts: readonly PostRow[], post: PostRow): PostRow[] {
  return [...posts.filter(({ index }) => index !== post.index), post].toSorted((a, b) => a.index - b.index)
}
