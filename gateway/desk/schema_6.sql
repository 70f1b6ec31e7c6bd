-- schema_6.sql - version 6.

-- == reports that were opened to be printed: notes.c ==

ALTER TABLE report_print ADD COLUMN is_back INTEGER NOT NULL DEFAULT 0; -- it never came out: back to the queue

-- == end of reports that were opened ==
