-- Packs of which no copy is good any more: lost.c (migrations/0019_lost.sql).

-- name: lost_pack
SELECT t.code, s.study_uid, p.sha256, coalesce((SELECT min(c.path) FROM pack_copies c WHERE c.pack = p.id), ''),
    p.lost_since_us IS NOT NULL
FROM packs p JOIN tenants t ON t.id = p.tenant_id JOIN studies s ON s.id = p.study WHERE p.id = $1

-- Those that are in it, and those that were and are here in no file; which SOP instance was said to be lost for good.
-- name: lost_members
SELECT i.id, i.object, i.size, i.pack_offset, true, ''
FROM packs p JOIN instances i ON i.study = p.study AND i.pack = p.id WHERE p.id = $1
UNION ALL
SELECT i.id, i.object, i.size, l.pack_offset, false, coalesce(g.sop_instance, '')
FROM lost_members l JOIN instances i ON i.id = l.instance AND i.object = l.object JOIN studies s ON s.id = i.study
LEFT JOIN gone_instances g ON g.tenant_id = i.tenant_id AND g.study_uid = s.study_uid AND g.sop_instance = i.sop_instance
    AND g.until_revision IS NULL
WHERE l.pack = $1 AND i.pack IS NULL AND i.missing_since_us IS NOT NULL

-- As they were before they were packed; without a file ($4 true), or with the one that was saved from a copy.
-- name: lost_take_out
WITH kept AS (
    INSERT INTO lost_members (pack, instance, object, pack_offset)
    SELECT i.pack, i.id, i.object, i.pack_offset FROM instances i WHERE i.id = ANY ($2::bigint[]) AND i.pack = $1
    ON CONFLICT (pack, instance) DO UPDATE SET object = EXCLUDED.object, pack_offset = EXCLUDED.pack_offset
), taken AS (
    UPDATE receipts r SET is_taken_back = true
    FROM (SELECT i.tenant_id, i.device, i.object FROM instances i WHERE i.id = ANY ($2::bigint[]) AND i.pack = $1
        UNION SELECT d.tenant_id, d.device, d.object FROM duplicates d JOIN instances i ON i.id = d.instance
            WHERE i.id = ANY ($2::bigint[]) AND i.pack = $1) w
    WHERE r.tenant_id = w.tenant_id AND r.device = w.device AND r.object = w.object
)
UPDATE instances i SET pack = NULL, pack_offset = NULL, sealed_at_us = NULL, job = NULL,
    missing_since_us = CASE WHEN $4 THEN $3::bigint END,
    landing = coalesce(i.landing, 'whole/' || t.code || '-' || encode(i.object, 'hex') || '.dcm')
FROM tenants t WHERE t.id = i.tenant_id AND i.id = ANY ($2::bigint[]) AND i.pack = $1

-- Those that were saved are packed at once, whatever their lists still wait for.
-- name: lost_pack_anew
WITH due AS (
    SELECT DISTINCT i.tenant_id, i.study, i.series, i.is_quarantined FROM instances i
    WHERE i.id = ANY ($2::bigint[]) AND i.pack IS NULL AND i.job IS NULL
), made AS (
    INSERT INTO pack_jobs (tenant_id, study, series, revision, is_quarantine, made_at_us)
    SELECT due.tenant_id, due.study, due.series, p.revision, due.is_quarantined, $3 FROM due JOIN packs p ON p.id = $1
    RETURNING id, study, series, is_quarantine
)
UPDATE instances i SET job = made.id FROM made
WHERE i.id = ANY ($2::bigint[]) AND i.study = made.study AND i.series = made.series AND i.is_quarantined = made.is_quarantine
    AND i.pack IS NULL AND i.job IS NULL

-- name: lost_put_back
UPDATE instances i SET pack = l.pack, pack_offset = l.pack_offset, sealed_at_us = $3, job = NULL, missing_since_us = NULL
FROM lost_members l WHERE l.pack = $1 AND l.instance = i.id AND l.object = i.object AND i.id = ANY ($2::bigint[])
    AND i.pack IS NULL AND i.missing_since_us IS NOT NULL
RETURNING i.id

-- Nobody is told that it is sealed before each copy was read back again, at once.
-- name: lost_doubt
UPDATE pack_copies SET verified_at_us = 0, doubted_at_us = $2 WHERE pack = $1

-- Without images there is nothing to mend any more.
-- name: lost_stand
WITH stood AS (
    UPDATE packs p SET lost_since_us = CASE WHEN EXISTS (SELECT FROM instances i WHERE i.study = p.study AND i.pack = p.id) THEN NULL
        ELSE coalesce(p.lost_since_us, $2) END
    WHERE p.id = $1 RETURNING p.id, p.lost_since_us
)
UPDATE pack_copies c SET doubted_at_us = NULL FROM stood WHERE c.pack = stood.id AND stood.lost_since_us IS NOT NULL

-- Waits for whoever packs something of its study; nobody else begins to, until the transaction ends.
-- name: lost_jobs_lock
SELECT 1 FROM pack_jobs j JOIN packs p ON p.study = j.study WHERE p.id = $1 AND j.done_at_us IS NULL ORDER BY j.id FOR UPDATE OF j

-- name: lost_is_empty
SELECT 1 FROM packs p WHERE p.id = $1 AND NOT EXISTS (SELECT FROM instances i WHERE i.study = p.study AND i.pack = p.id)

-- Copies of lost packs that somebody may still want.
-- name: lost_copies
SELECT c.pack, c.store::integer, c.path FROM packs p JOIN pack_copies c ON c.pack = p.id
WHERE p.lost_since_us IS NOT NULL AND c.doubted_at_us IS NULL AND (c.pack, c.store) > ($1, $2)
    AND EXISTS (SELECT FROM lost_members l JOIN instances i ON i.id = l.instance AND i.object = l.object
        WHERE l.pack = p.id AND i.missing_since_us IS NOT NULL)
ORDER BY c.pack, c.store LIMIT $3

-- name: lost_walk
SELECT p.id, (SELECT min(c.path) FROM pack_copies c WHERE c.pack = p.id) FROM packs p
WHERE p.id > $1 AND p.lost_since_us IS NULL ORDER BY p.id LIMIT $2

-- The pack that holds this file, itself or as another file of the same image.
-- name: lost_pack_of
SELECT f.pack, (SELECT min(c.path) FROM pack_copies c WHERE c.pack = f.pack)
FROM (SELECT i.pack FROM tenants t JOIN instances i ON i.tenant_id = t.id AND i.object = $2 WHERE t.code = $1
    UNION ALL SELECT i.pack FROM tenants t JOIN instances i ON i.tenant_id = t.id AND i.sop_instance = $3 AND NOT i.is_quarantined
        WHERE t.code = $1) f
WHERE f.pack IS NOT NULL LIMIT 1
