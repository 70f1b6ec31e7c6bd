-- schema_21.sql - version 21.

-- == what the reader knows a read by: book_mail.c ==

-- The reader's own number of it. A reader's database that was put back from a backup gives its numbers out anew, to other
-- studies; read_id, under which a report was shown, printed and handed over here, stays.
ALTER TABLE read ADD COLUMN number INTEGER NOT NULL DEFAULT 0; -- 0: the reader knows it no more
UPDATE read SET number = read_id;
CREATE INDEX read_of_number ON read (number);

-- == end of what the reader knows a read by ==
