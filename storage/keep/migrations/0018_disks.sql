-- Which disk a store, or landing-copy, is on: what its file store.id says (docs/formats/pack.md, "Mark"). No row: it was not seen
-- since it was a program's before this one.
CREATE TABLE disk_marks (
    name text PRIMARY KEY,
    mark bytea NOT NULL,
    since_us bigint NOT NULL
);
