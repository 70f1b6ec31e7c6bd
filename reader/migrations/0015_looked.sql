-- That the report stands, after somebody looked at the images that came later than its signature: the newest word of it.
ALTER TABLE report_version ADD COLUMN looked_at_us bigint NOT NULL DEFAULT 0,
    ADD COLUMN looked_by text NOT NULL DEFAULT '',     -- the doctor's name
    ADD COLUMN looked_reason text NOT NULL DEFAULT '';
