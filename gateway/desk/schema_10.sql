-- schema_10.sql - version 10.

-- == images that will not come: absences.c ==

ALTER TABLE expected ADD COLUMN is_absent INTEGER NOT NULL DEFAULT 0;  -- somebody at the desk said that it will not come
ALTER TABLE announced ADD COLUMN absent INTEGER NOT NULL DEFAULT 0;    -- of the missing ones, so many will not come
CREATE INDEX announced_absent ON announced (study) WHERE absent > 0;

-- What was said last of a study's missing images.
CREATE TABLE absence (
    study TEXT PRIMARY KEY,
    reason TEXT NOT NULL,                      -- word of absent_reasons.def
    words TEXT NOT NULL,
    by_name TEXT NOT NULL,                     -- the person's name, as people read it
    at_us INTEGER NOT NULL,
    revision INTEGER NOT NULL DEFAULT 0,       -- of the newest message to the reader
    is_told INTEGER NOT NULL DEFAULT 0         -- that message says how many there are
) STRICT;
CREATE INDEX absence_untold ON absence (study) WHERE is_told = 0;

CREATE TRIGGER expected_absent AFTER UPDATE OF is_absent ON expected WHEN OLD.is_absent <> NEW.is_absent BEGIN
    UPDATE announced SET absent = absent + NEW.is_absent - OLD.is_absent WHERE study = NEW.study;
    UPDATE absence SET is_told = 0 WHERE study = NEW.study;
END;
DROP TRIGGER expected_gone;
CREATE TRIGGER expected_gone AFTER DELETE ON expected BEGIN
    UPDATE announced SET expected = expected - 1, missing = missing - (OLD.is_here = 0), absent = absent - OLD.is_absent
    WHERE study = OLD.study;
END;
CREATE TRIGGER announced_gone AFTER DELETE ON announced BEGIN
    DELETE FROM absence WHERE study = OLD.study;
END;

-- == end of images that will not come ==
