-- Which studies are emergencies (migrations/0009_urgency.sql).

-- The desk's word: a lower revision changes nothing.
-- name: urgency_told
INSERT INTO study_urgency AS old (tenant, study_uid, revision, is_emergency, reason, by_name, actor, at_us)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT (tenant, study_uid) DO UPDATE SET revision = EXCLUDED.revision, is_emergency = EXCLUDED.is_emergency,
    reason = EXCLUDED.reason, by_name = EXCLUDED.by_name, actor = EXCLUDED.actor, at_us = EXCLUDED.at_us
WHERE old.revision < EXCLUDED.revision
RETURNING is_emergency

-- Somebody's at the reader: beside what the desk said last.
-- name: urgency_said
INSERT INTO study_urgency (tenant, study_uid, is_emergency, reason, by_name, actor, at_us)
SELECT r.tenant, r.study_uid, $2, $3, $4, $5, $6 FROM reads r WHERE r.id = $1
ON CONFLICT (tenant, study_uid) DO UPDATE SET is_emergency = EXCLUDED.is_emergency, reason = EXCLUDED.reason,
    by_name = EXCLUDED.by_name, actor = EXCLUDED.actor, at_us = EXCLUDED.at_us

-- name: urgency_of_read
SELECT u.is_emergency, u.reason, u.by_name, u.actor, u.revision FROM reads r
JOIN study_urgency u ON u.tenant = r.tenant AND u.study_uid = r.study_uid WHERE r.id = $1

-- The clinic's lock (order_lock_tenant), of a read whose row is not locked yet.
-- name: urgency_lock_tenant
SELECT pg_advisory_xact_lock(7267704, hashtext(tenant)) FROM reads WHERE id = $1

-- name: urgency_read
SELECT id FROM reads WHERE tenant = $1 AND study_uid = $2
