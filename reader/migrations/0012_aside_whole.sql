-- The list whose completeness was told while the study was aside, and is still to be noted. 0: none.
ALTER TABLE intake_aside ADD COLUMN complete_revision bigint NOT NULL DEFAULT 0;
