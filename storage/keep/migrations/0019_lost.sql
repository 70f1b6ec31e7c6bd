-- A pack of which no copy is good any more: its images are missing (missing_since_us) and come in other packs again, or it
-- comes back. Which they were, and where; a pack that has none of its images left is lost.
CREATE TABLE lost_members (
    pack bigint NOT NULL REFERENCES packs,
    instance bigint NOT NULL REFERENCES instances,
    object bytea NOT NULL,
    pack_offset bigint NOT NULL,
    PRIMARY KEY (pack, instance)
);
ALTER TABLE packs ADD COLUMN lost_since_us bigint;
CREATE INDEX packs_lost ON packs (id) WHERE lost_since_us IS NOT NULL;
-- What it says is true no more: it is told to nobody, and given anew when the instance is in a pack again.
ALTER TABLE receipts ADD COLUMN is_taken_back boolean NOT NULL DEFAULT false;
