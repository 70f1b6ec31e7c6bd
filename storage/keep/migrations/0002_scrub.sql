-- When a copy was last looked at, whatever came out; verified_at_us is when it was last found good.
ALTER TABLE pack_copies ADD COLUMN checked_at_us bigint NOT NULL DEFAULT 0;
CREATE INDEX pack_copies_by_check ON pack_copies (greatest(verified_at_us, checked_at_us));
