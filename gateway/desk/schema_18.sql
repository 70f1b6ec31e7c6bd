-- schema_18.sql - version 18.

-- == whose images: doubts.c ==

-- A study needs nobody of those registered, by itself: that what is odd about it is right does not say whose it is.
ALTER TABLE doubt ADD COLUMN nobody_by TEXT NOT NULL DEFAULT ''; -- who said so; "" nobody, or it had an owner since
ALTER TABLE doubt ADD COLUMN nobody_reason TEXT NOT NULL DEFAULT '';
ALTER TABLE doubt ADD COLUMN nobody_at_us INTEGER NOT NULL DEFAULT 0;
UPDATE doubt SET nobody_by = confirmed_by, nobody_reason = reason, nobody_at_us = confirmed_at_us,
    confirmed_by = '', reason = '', confirmed_at_us = 0 WHERE bits = 0 AND confirmed_by <> '';

-- == end of whose images ==
