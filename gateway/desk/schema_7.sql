-- schema_7.sql - version 7.

-- == what devices say they made: mpps_settle.c ==

ALTER TABLE expected ADD COLUMN is_looked INTEGER NOT NULL DEFAULT 0; -- the spool was asked for it once; what comes later says so itself
CREATE INDEX expected_new ON expected (study) WHERE is_here = 0 AND is_looked = 0;
DROP INDEX expected_by_time;

-- Of a study, how many rows it has above: counted as they come and go, nobody counts them at each look at the desk.
CREATE TABLE announced (
    study TEXT PRIMARY KEY,
    expected INTEGER NOT NULL,
    missing INTEGER NOT NULL,
    at_us INTEGER NOT NULL,                    -- of the newest
    known_ms INTEGER NOT NULL DEFAULT 0        -- of the spool's life: when the spool was last seen to know the study; 0: announced since
) STRICT, WITHOUT ROWID;
CREATE INDEX announced_by_time ON announced (at_us);
CREATE INDEX announced_missing ON announced (study) WHERE missing > 0;
CREATE INDEX announced_known ON announced (known_ms);

INSERT INTO announced (study, expected, missing, at_us)
SELECT study, count(*), sum(is_here = 0), max(at_us) FROM expected GROUP BY study;

CREATE TRIGGER expected_added AFTER INSERT ON expected BEGIN
    INSERT INTO announced (study, expected, missing, at_us) VALUES (NEW.study, 1, NEW.is_here = 0, NEW.at_us)
    ON CONFLICT (study) DO UPDATE SET expected = expected + 1, missing = missing + excluded.missing,
        at_us = max(at_us, excluded.at_us), known_ms = 0;
END;
CREATE TRIGGER expected_came AFTER UPDATE OF is_here ON expected WHEN OLD.is_here <> NEW.is_here BEGIN
    UPDATE announced SET missing = missing + (NEW.is_here = 0) - (OLD.is_here = 0) WHERE study = NEW.study;
END;
CREATE TRIGGER expected_gone AFTER DELETE ON expected BEGIN
    UPDATE announced SET expected = expected - 1, missing = missing - (OLD.is_here = 0) WHERE study = OLD.study;
END;

-- == end of what devices say they made ==
