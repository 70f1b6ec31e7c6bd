-- Catalogued, in no pack, and its landing file is gone: waited for as if it had never come. NULL: its bytes are here.
ALTER TABLE instances ADD COLUMN missing_since_us bigint;
CREATE INDEX instances_missing ON instances (study) WHERE missing_since_us IS NOT NULL;
