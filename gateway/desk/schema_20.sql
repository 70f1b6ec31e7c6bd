-- schema_20.sql - version 20.

-- == reports: book_mail.c ==

-- A doctor looked at what came after the signature, and the report stands; 0: nobody, or more came since.
ALTER TABLE report ADD COLUMN looked_at_us INTEGER NOT NULL DEFAULT 0;
ALTER TABLE report ADD COLUMN looked_by TEXT NOT NULL DEFAULT '';
ALTER TABLE report ADD COLUMN looked_reason TEXT NOT NULL DEFAULT '';

-- == end of reports ==
