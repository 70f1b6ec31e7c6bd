-- schema_24.sql - version 24.

-- == registrations: book.c ==

-- Random, told with all that is told about it: a file that was set back gives a number again, but never this.
ALTER TABLE registration ADD COLUMN identity TEXT NOT NULL DEFAULT ''; -- '' made by an older version

-- == end of registrations ==
