import { z } from 'zod'

/**
 * What we read of the homeserver's answers, and nothing else: a field that we do not name may be anything. Where
 * people write a field (all of an event's content), a wrong one counts as absent.
 */

const texts = z.array(z.string())

export const versions = z.object({ versions: texts })

export const wellKnown = z.object({ 'm.homeserver': z.object({ base_url: z.string() }) })

export const loginFlows = z.object({ flows: z.array(z.object({ type: z.string() })) })

export const loggedIn = z.object({ user_id: z.string(), device_id: z.string(), access_token: z.string() })

export const whoami = z.object({ user_id: z.string(), device_id: z.string().optional() })

export const profile = z.object({ displayname: z.string().optional().catch(undefined) })

export const sentEvent = z.object({ event_id: z.string() })

export const mediaLimits = z.object({ 'm.upload.size': z.number().optional().catch(undefined) })

export const uploadedFile = z.object({ content_uri: z.string() })

export const joinedRoom = z.object({ room_id: z.string() })

export const resolvedAlias = z.object({ room_id: z.string() })

/** An answer that tells nothing but that it was done. */
export const done = z.unknown()

export const roomEvent = z.object({
  event_id: z.string(),
  type: z.string(),
  sender: z.string(),
  origin_server_ts: z.number(),
  content: z.record(z.string(), z.unknown()),
  state_key: z.string().optional().catch(undefined),
  redacts: z.string().optional().catch(undefined),
  unsigned: z
    .object({ prev_content: z.record(z.string(), z.unknown()).optional().catch(undefined) })
    .optional()
    .catch(undefined),
})

export type RoomEvent = z.infer<typeof roomEvent>

/** Skips what is not an event: one that nobody could read must not keep the others from being read. */
const events = z
  .array(z.unknown())
  .default([])
  .transform((all) => all.flatMap((one) => roomEvent.safeParse(one).data ?? []))

const strippedEvent = z.object({
  type: z.string(),
  sender: z.string().optional().catch(undefined),
  state_key: z.string().optional().catch(undefined),
  content: z.record(z.string(), z.unknown()),
})

const strippedEvents = z
  .array(z.unknown())
  .default([])
  .transform((all) => all.flatMap((one) => strippedEvent.safeParse(one).data ?? []))

const joinedSection = z.object({
  state: z.object({ events }).optional(),
  timeline: z
    .object({ events, limited: z.boolean().default(false), prev_batch: z.string().optional() })
    .optional(),
  summary: z
    .object({
      'm.joined_member_count': z.number().optional(),
      'm.invited_member_count': z.number().optional(),
      'm.heroes': texts.optional().catch(undefined),
    })
    .optional()
    .catch(undefined),
})

export type JoinedSection = z.infer<typeof joinedSection>

const invitedSection = z.object({
  invite_state: z.object({ events: strippedEvents }).default({ events: [] }),
})

export type InvitedSection = z.infer<typeof invitedSection>

/** What of it is not as it should be tells nothing: that the bot has left is told by its being there. */
const leftSection = z
  .object({
    state: z.object({ events }).optional().catch(undefined),
    timeline: z.object({ events }).optional().catch(undefined),
  })
  .catch({})

export type LeftSection = z.infer<typeof leftSection>

/** Of both lists, an absent one is an empty one. */
const deviceLists = z.object({ changed: texts.default([]), left: texts.default([]) })

export const syncAnswer = z.object({
  next_batch: z.string(),
  to_device: z.object({ events: z.array(z.unknown()).default([]) }).default({ events: [] }),
  device_lists: deviceLists.default({ changed: [], left: [] }),
  device_one_time_keys_count: z.record(z.string(), z.number()).default({}),
  device_unused_fallback_key_types: texts.optional(),
  account_data: z.object({ events: strippedEvents }).optional(),
  rooms: z
    .object({
      join: z.record(z.string(), joinedSection).default({}),
      invite: z.record(z.string(), invitedSection).default({}),
      leave: z.record(z.string(), leftSection).default({}),
    })
    .default({ join: {}, invite: {}, leave: {} }),
})

export type SyncAnswer = z.infer<typeof syncAnswer>

export const members = z.object({ chunk: events })

export const messagesPage = z.object({
  chunk: events,
  state: events,
  end: z.string().optional(),
})

/** What is no event id at all must not become part of a call's path. */
export const eventId = z.string().startsWith('$')

/** What a redaction takes back: in its content, or beside it in rooms up to version 10. */
export function redactedBy({ content, redacts }: RoomEvent): string | undefined {
  return eventId.safeParse(content['redacts'] ?? redacts).data
}

const relation = z.object({
  rel_type: z.string().optional().catch(undefined),
  event_id: eventId.optional().catch(undefined),
  key: z.string().optional().catch(undefined),
  is_falling_back: z.boolean().optional().catch(undefined),
  'm.in_reply_to': z.object({ event_id: eventId }).optional().catch(undefined),
})

export type Relation = z.infer<typeof relation>

const fileInfo = z.object({
  mimetype: z.string().optional().catch(undefined),
  size: z.number().nonnegative().optional().catch(undefined),
})

const words = z.object({
  msgtype: z.string(),
  body: z.string(),
  formatted_body: z.string().optional().catch(undefined),
  /** Of a file; then the body is its caption, if it says anything else. */
  filename: z.string().optional().catch(undefined),
  url: z.string().optional().catch(undefined),
  file: z.record(z.string(), z.unknown()).optional().catch(undefined),
  info: fileInfo.optional().catch(undefined),
  'org.matrix.msc3245.voice': z.unknown().optional(),
  'm.mentions': z.object({ user_ids: texts }).optional().catch(undefined),
})

/** What a message says. */
export type Words = z.infer<typeof words>

export const messageContent = words.extend({
  'm.relates_to': relation.optional().catch(undefined),
  'm.new_content': words.optional().catch(undefined),
})

/** Of `m.sticker`. */
export const stickerContent = words.omit({ msgtype: true })

export const related = z.object({ 'm.relates_to': relation })

/** What a room that the bot has begun carries for ever: the person for whom. */
export const begunForKey = 'ductor.begun_for'

export const created = z.object({
  [begunForKey]: z.string().optional().catch(undefined),
  predecessor: z.object({ room_id: z.string() }).optional().catch(undefined),
})

export const membership = z.object({
  membership: z.string(),
  displayname: z.string().optional().catch(undefined),
})
