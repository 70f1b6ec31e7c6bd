-- schema_4.sql - version 4.

-- == images thrown away: aside.c ==

CREATE TABLE discard_noted (
    entry INTEGER NOT NULL,                    -- of the spool
    at_us INTEGER NOT NULL,                    -- when it was thrown away: it may be taken back, and thrown away again
    PRIMARY KEY (entry, at_us)
) STRICT;

-- == end of images thrown away ==
