-- schema_14.sql - version 14.

-- == whose images: book_match.c ==

-- Why it was attached to nobody (unmatched.def), and the registration that this is about; "" none.
ALTER TABLE study ADD COLUMN unmatched TEXT NOT NULL DEFAULT '';
ALTER TABLE study ADD COLUMN near TEXT NOT NULL DEFAULT '';

-- == end of whose images ==
