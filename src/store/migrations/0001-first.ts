/** Inbox, turns, outbox, choices, trace and what sources remember. Times are milliseconds since 1970. */
export const first = `
create table conversations (
  place text primary key,
  transport text not null,
  chat text not null,
  thread text
) strict;

create table strands (
  place text not null references conversations,
  strand text not null,
  provider text,
  model text,
  effort text,
  gist text,
  made_at integer not null,
  used_at integer not null,
  primary key (place, strand)
) strict, without rowid;

create table sessions (
  place text not null references conversations,
  strand text not null,
  provider text not null,
  session text not null,
  began_at integer not null,
  used_at integer not null,
  messages integer not null default 0,
  cost_usd real not null default 0,
  context_tokens integer,
  context_window integer,
  primary key (place, strand, provider)
) strict, without rowid;

create table inbox (
  seq integer primary key autoincrement,
  transport text not null,
  id text not null,
  place text not null references conversations,
  strand text not null,
  kind text not null,
  message_id text,
  body text not null,
  state text not null,
  turn text,
  attempts integer not null default 0,
  received_at integer not null,
  unique (transport, id)
) strict;
create index inbox_by_state on inbox (state, place, strand, seq);
create index inbox_by_age on inbox (received_at);
create index inbox_by_message on inbox (message_id) where message_id is not null;
create index inbox_by_turn on inbox (turn) where turn is not null;

create table turns (
  id text primary key,
  place text not null references conversations,
  strand text not null,
  provider text not null,
  started_at integer not null,
  ended_at integer,
  stop text
) strict, without rowid;
create index turns_running on turns (id) where ended_at is null;
create index turns_by_age on turns (ended_at) where ended_at is not null;

create table publications (
  key text primary key,
  place text not null references conversations,
  view text not null,
  state text not null,
  turn text,
  reply_to text,
  made_at integer not null
) strict, without rowid;
create index publications_by_state on publications (state, made_at);
create index publications_by_turn on publications (turn) where turn is not null;

create table posts (
  publication text not null references publications on delete cascade,
  number integer not null,
  attempt integer not null,
  ref text,
  content text not null,
  revision integer not null,
  primary key (publication, number)
) strict, without rowid;
create index posts_by_ref on posts (ref) where ref is not null;

create table choices (
  token text primary key,
  place text not null,
  publication text not null,
  label text not null,
  style text,
  action text not null,
  made_at integer not null,
  position integer not null,
  spent integer not null default 0
) strict, without rowid;
create index choices_by_publication on choices (publication, position);
create index choices_open on choices (place, made_at) where spent = 0;

create table trace (
  id integer primary key,
  seq integer,
  turn text,
  at integer not null,
  event text not null,
  detail text
) strict;
create index trace_by_seq on trace (seq) where seq is not null;
create index trace_by_turn on trace (turn) where turn is not null;
create index trace_by_age on trace (at);

create table memory (
  source text not null,
  key text not null,
  value text not null,
  primary key (source, key)
) strict, without rowid;
`
