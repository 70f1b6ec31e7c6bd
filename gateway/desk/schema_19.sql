-- schema_19.sql - version 19.

-- == urgency of registrations: book.c ==

-- Why it is no emergency any more, as urgent_by says; "" nobody took it back. What a source says again raises it no more.
ALTER TABLE registration ADD COLUMN lowered TEXT NOT NULL DEFAULT '';

-- == end of urgency of registrations ==
