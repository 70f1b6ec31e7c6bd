-- Images whose landing file is gone before they were packed: missing.c (migrations/0013_missing.sql).

-- name: missing_of_job
SELECT i.id, i.object, i.size, i.landing FROM instances i WHERE i.job = $1 AND i.pack IS NULL

-- name: missing_of_none
SELECT i.id, i.object, i.size, i.landing FROM instances i JOIN tenants t ON t.id = i.tenant_id
WHERE t.code = $1 AND i.object = $2 AND i.pack IS NULL AND i.job IS NULL AND i.missing_since_us IS NULL

-- The rest of the job (0: they have none) is packed without them, at once.
-- name: missing_mark
WITH job AS (UPDATE pack_jobs SET next_try_us = 0 WHERE id = $1)
UPDATE instances SET missing_since_us = $3, job = NULL
WHERE id = ANY ($2::bigint[]) AND coalesce(job, 0) = $1 AND pack IS NULL

-- The newest lists that name them are not whole any more.
-- name: missing_reopen
UPDATE manifests m SET complete_at_us = NULL FROM tenants t
WHERE t.id = m.tenant_id AND t.code = $1 AND m.study_uid = $2 AND m.complete_at_us IS NOT NULL
    AND NOT EXISTS (SELECT FROM manifests n WHERE n.tenant_id = m.tenant_id AND n.study_uid = m.study_uid
        AND n.source = m.source AND n.revision > m.revision)
    AND (m.objects || m.carried_objects) && (SELECT array_agg(o.object) FROM (
        SELECT i.object FROM instances i WHERE i.id = ANY ($3::bigint[])
        UNION ALL SELECT d.object FROM duplicates d WHERE d.instance = ANY ($3::bigint[])) o)

-- How many of them the reader made.
-- name: missing_of_reader
SELECT count(*) FROM instances i WHERE i.id = ANY ($1::bigint[]) AND i.way = 'reader'

-- name: missing_came (plan kept)
UPDATE instances i SET missing_since_us = NULL FROM tenants t
WHERE t.id = i.tenant_id AND t.code = $1 AND i.object = $2 AND i.missing_since_us IS NOT NULL

-- Its SOP instance, if it was said to be lost for good.
-- name: missing_gone
SELECT g.sop_instance FROM instances i JOIN tenants t ON t.id = i.tenant_id JOIN studies s ON s.id = i.study
JOIN gone_instances g ON g.tenant_id = i.tenant_id AND g.study_uid = s.study_uid AND g.sop_instance = i.sop_instance
WHERE t.code = $1 AND i.object = $2 AND g.until_revision IS NULL

-- name: missing_list
SELECT i.id, t.code, s.study_uid, i.object, i.landing FROM instances i
JOIN studies s ON s.id = i.study JOIN tenants t ON t.id = i.tenant_id
WHERE i.missing_since_us IS NOT NULL AND i.id > $1 ORDER BY i.id LIMIT $2
