-- schema_11.sql - version 11.

-- == which images are missing: absences.c ==

-- Another one when others are missing, be they as many.
ALTER TABLE announced ADD COLUMN turn INTEGER NOT NULL DEFAULT 0;
CREATE TRIGGER expected_turned AFTER UPDATE OF missing ON announced WHEN OLD.missing <> NEW.missing BEGIN
    UPDATE announced SET turn = turn + 1 WHERE study = NEW.study;
END;

-- == end of which images are missing ==
