-- Two boxes with one certificate: each start of a desk draws a number (box; '': an older desk). One that was the last but one and
-- calls again is a turn; a third number begins the count anew.
ALTER TABLE clinic_gateway ADD COLUMN box text NOT NULL DEFAULT '', ADD COLUMN box_before text NOT NULL DEFAULT '',
    ADD COLUMN turns integer NOT NULL DEFAULT 0, ADD COLUMN turned_at_us bigint NOT NULL DEFAULT 0;
