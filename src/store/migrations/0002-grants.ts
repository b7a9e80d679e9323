/** What was allowed for the rest of a session: it ends with the session. Times are milliseconds since 1970. */
export const grants = `
create table grants (
  place text not null,
  strand text not null,
  provider text not null,
  rule text not null,
  says text not null,
  given_at integer not null,
  primary key (place, strand, provider, rule),
  foreign key (place, strand, provider) references sessions on delete cascade
) strict, without rowid;
`
