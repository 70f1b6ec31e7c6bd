-- When the event that the cursor stands at was: an archive that was set back to a backup does not know it. 0: not known.
ALTER TABLE intake_cursor ADD COLUMN at_us bigint NOT NULL DEFAULT 0;
