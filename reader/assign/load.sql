-- Master data from a file: idempotent.

-- name: load_lock
SELECT pg_advisory_xact_lock(7267703)

-- name: load_org
INSERT INTO organisations (code, name, kind, parent, path, changed_at_us) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (code) DO UPDATE SET name = EXCLUDED.name, kind = EXCLUDED.kind, parent = EXCLUDED.parent, path = EXCLUDED.path,
    changed_at_us = EXCLUDED.changed_at_us

-- name: load_orphan
SELECT o.code FROM organisations o WHERE o.parent IS NOT NULL
    AND NOT EXISTS (SELECT FROM organisations p WHERE p.code = o.parent) LIMIT 1

-- Those below follow where their parent went.
-- name: load_paths
WITH RECURSIVE t (code, path) AS (
    SELECT code, '/' || code || '/' FROM organisations WHERE parent IS NULL
    UNION ALL
    SELECT o.code, t.path || o.code || '/' FROM organisations o JOIN t ON o.parent = t.code)
UPDATE organisations o SET path = t.path FROM t WHERE t.code = o.code AND o.path <> t.path

-- Only what hangs in a circle has no path from a root.
-- name: load_circle
WITH RECURSIVE t (code) AS (
    SELECT code FROM organisations WHERE parent IS NULL
    UNION
    SELECT o.code FROM organisations o JOIN t ON o.parent = t.code)
SELECT o.code FROM organisations o WHERE o.code NOT IN (SELECT t.code FROM t) LIMIT 1

-- name: load_doctor
INSERT INTO doctors (login, name, licence, valid_from_us, valid_until_us, modalities, is_on_duty, changed_at_us)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT (login) DO UPDATE SET name = EXCLUDED.name, licence = EXCLUDED.licence, valid_from_us = EXCLUDED.valid_from_us,
    valid_until_us = EXCLUDED.valid_until_us, modalities = EXCLUDED.modalities, is_on_duty = EXCLUDED.is_on_duty,
    changed_at_us = EXCLUDED.changed_at_us

-- name: load_unaffiliate
DELETE FROM affiliations WHERE login = $1

-- name: load_affiliate
INSERT INTO affiliations (login, org, place) VALUES ($1, $2, $3)

-- name: load_agreement
INSERT INTO agreements (code, version, inviting, invited, modalities, valid_from_us, valid_until_us, routine_us,
    emergency_us, may_read_alone, canonical, sha256)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT (code, version) DO NOTHING

-- name: load_agreement_is
SELECT sha256 FROM agreements WHERE code = $1 AND version = $2
