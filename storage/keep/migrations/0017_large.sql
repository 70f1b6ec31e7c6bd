-- What a full archive reads by index (docs/decisions/centre.md, "A large catalog"). The service waits for it once, at its start:
-- 0.4 s for 300,000 lists, 0.5 s for 600,000 copies of packs; at 10 million of each some 20 s, and what reading the tables takes.

-- A clinic and its gateway are one and the same: to the planner this index was as good for one study's lists as their own, and
-- gave all of the gateway's. With the day before the gateway it serves days alone.
DROP INDEX manifests_by_day;
CREATE INDEX manifests_by_day ON manifests (tenant_id, closed_at_us, source);
-- The copy that was read back the longest ago.
CREATE INDEX pack_copies_by_verified ON pack_copies (verified_at_us);
