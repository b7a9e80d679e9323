import { z } from 'zod'
import type { PostRow, Posts } from '../core/store.ts'
import type { Content } from '../core/transport.ts'
import { optionalText, own } from './columns.ts'
import type { Sql } from './sql.ts'

const postRow = z
  .object({
    number: z.number(),
    attempt: z.number(),
    ref: optionalText,
    content: own<Content>(),
    revision: z.number(),
  })
  .transform(({ number, attempt, ref, content, revision }): PostRow => ({
    index: number,
    attempt,
    content,
    revision,
    ...(ref === undefined ? {} : { ref }),
  }))
const refRow = z.object({ ref: z.string() })

/** The messages that show the publications. */
export function posts({ command, query }: Sql): Posts {
  const of = query(postRow, 'select * from posts where publication = ? order by number')
  const put = command(
    `insert into posts (publication, number, attempt, ref, content, revision) values (?, ?, ?, ?, ?, ?)
     on conflict (publication, number) do update set
       attempt = excluded.attempt, ref = excluded.ref, content = excluded.content, revision = excluded.revision`,
  )
  const remove = command('delete from posts where publication = ? and number = ?')
  const newestRefs = query(
    refRow,
    `select posts.ref from posts
       join publications p on p.key = posts.publication join conversations c on c.place = p.place
       join conversations here on here.transport = c.transport and here.chat = c.chat
      where here.place = ? and posts.ref is not null order by p.made_at desc limit 500`,
  )
  return {
    posts: (publication) => of.all(publication),
    putPost(publication, { index, attempt, ref = null, content, revision }) {
      put(publication, index, attempt, ref, JSON.stringify(content), revision)
    },
    removePost: (publication, index) => void remove(publication, index),
    refsInChatOf: (place) => new Set(newestRefs.all(place).map(({ ref }) => ref)),
  }
}
