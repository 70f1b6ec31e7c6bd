-- schema_12.sql - version 12.

-- == images thrown away: aside.c ==

-- How far the audit log has been told of it: 0 its entry is being written; 1 it is there; 2 that it was taken back is being written.
ALTER TABLE discard_noted ADD COLUMN step INTEGER NOT NULL DEFAULT 1;
ALTER TABLE discard_noted ADD COLUMN step_at_us INTEGER NOT NULL DEFAULT 0;  -- when that writing began: where to look for it after a crash
ALTER TABLE discard_noted ADD COLUMN restored_by TEXT NOT NULL DEFAULT '';   -- who is taking it back at the desk
DROP TABLE discard_audited;

-- == end of images thrown away ==
