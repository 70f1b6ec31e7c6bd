-- Since when a copy is known to be wrong or gone: the scrubber takes it before all others (NULL: it is not).
ALTER TABLE pack_copies ADD COLUMN doubted_at_us bigint;
CREATE INDEX pack_copies_doubted ON pack_copies (doubted_at_us) WHERE doubted_at_us IS NOT NULL;
