-- schema_8.sql - version 8.

-- == images thrown away: aside.c ==

ALTER TABLE discard_noted ADD COLUMN instance TEXT NOT NULL DEFAULT '';     -- SOP Instance UID: a spool made anew gives a number again
ALTER TABLE discard_noted ADD COLUMN is_watched INTEGER NOT NULL DEFAULT 0; -- 0: by a program that kept the row of what was taken back

-- Discards at the desk that are in the audit log and not noted above yet.
CREATE TABLE discard_audited (
    entry INTEGER PRIMARY KEY,
    instance TEXT NOT NULL,
    by TEXT NOT NULL
) STRICT;

-- == end of images thrown away ==
