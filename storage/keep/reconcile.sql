-- The daily comparison with gateways (proto/link/reconcile.h).

-- name: catalog_id
SELECT ('x' || substr(md5(extract(epoch FROM pg_postmaster_start_time())::text || '/' || d.oid::text), 1, 16))::bit(64)::bigint
    & 9223372036854775807
FROM pg_database d WHERE d.datname = current_database()

-- name: reconcile_day
WITH newest AS (
    SELECT m.tenant_id, m.study_uid, m.revision, m.closed_at_us, m.objects
    FROM manifests m WHERE m.tenant_id = $1 AND m.source = $2 AND m.closed_at_us >= $3 AND m.closed_at_us < $4
        AND NOT EXISTS (SELECT FROM manifests n WHERE n.tenant_id = m.tenant_id AND n.study_uid = m.study_uid
            AND n.source = m.source AND n.revision > m.revision)
)
SELECT n.study_uid, n.closed_at_us, n.revision, count(o.object),
    count(*) FILTER (WHERE i.pack IS NOT NULL AND NOT i.is_quarantined),
    sha256(coalesce(string_agg(o.object || CASE WHEN i.id IS NULL OR i.is_quarantined OR i.missing_since_us IS NOT NULL THEN 'm'::bytea
        WHEN i.pack IS NOT NULL THEN 's'::bytea ELSE 'h'::bytea END, ''::bytea ORDER BY o.object), ''::bytea))
FROM newest n LEFT JOIN LATERAL unnest(n.objects) AS o(object) ON true
LEFT JOIN instances own ON own.tenant_id = n.tenant_id AND own.object = o.object
LEFT JOIN LATERAL (SELECT d.instance FROM duplicates d
    WHERE own.id IS NULL AND d.tenant_id = n.tenant_id AND d.object = o.object LIMIT 1) d ON true
LEFT JOIN instances i ON i.id = coalesce(own.id, d.instance)
GROUP BY n.study_uid, n.closed_at_us, n.revision

-- name: reconcile_studies
WITH newest AS (
    SELECT m.tenant_id, m.study_uid, m.revision, m.closed_at_us, m.objects
    FROM manifests m WHERE m.tenant_id = $1 AND m.source = $2 AND m.study_uid = ANY ($3::text[])
        AND NOT EXISTS (SELECT FROM manifests n WHERE n.tenant_id = m.tenant_id AND n.study_uid = m.study_uid
            AND n.source = m.source AND n.revision > m.revision)
)
SELECT n.study_uid, n.closed_at_us, n.revision, count(o.object),
    count(*) FILTER (WHERE i.pack IS NOT NULL AND NOT i.is_quarantined),
    sha256(coalesce(string_agg(o.object || CASE WHEN i.id IS NULL OR i.is_quarantined OR i.missing_since_us IS NOT NULL THEN 'm'::bytea
        WHEN i.pack IS NOT NULL THEN 's'::bytea ELSE 'h'::bytea END, ''::bytea ORDER BY o.object), ''::bytea))
FROM newest n LEFT JOIN LATERAL unnest(n.objects) AS o(object) ON true
LEFT JOIN instances own ON own.tenant_id = n.tenant_id AND own.object = o.object
LEFT JOIN LATERAL (SELECT d.instance FROM duplicates d
    WHERE own.id IS NULL AND d.tenant_id = n.tenant_id AND d.object = o.object LIMIT 1) d ON true
LEFT JOIN instances i ON i.id = coalesce(own.id, d.instance)
GROUP BY n.study_uid, n.closed_at_us, n.revision

-- name: reconcile_objects
SELECT o.object, i.id IS NOT NULL, coalesce(i.is_quarantined, false), i.pack IS NOT NULL, coalesce(i.landing, ''),
    (SELECT bool_or(c.verified_at_us = 0) FROM pack_copies c WHERE c.pack = i.pack) IS NOT TRUE
FROM unnest($2::bytea[]) WITH ORDINALITY AS o(object, n) JOIN tenants t ON t.code = $1
LEFT JOIN instances own ON own.tenant_id = t.id AND own.object = o.object
LEFT JOIN LATERAL (SELECT d.instance FROM duplicates d
    WHERE own.id IS NULL AND d.tenant_id = t.id AND d.object = o.object LIMIT 1) d ON true
LEFT JOIN instances i ON i.id = coalesce(own.id, d.instance)
ORDER BY o.n

-- name: reconciled_put
INSERT INTO reconciliations (tenant_id, device, at_us, days, studies, objects, different, repaired, lost)
SELECT t.id, $2, $3, $4, $5, $6, $7, $8, $9 FROM tenants t WHERE t.code = $1
ON CONFLICT (tenant_id, device) DO UPDATE SET at_us = EXCLUDED.at_us, days = EXCLUDED.days, studies = EXCLUDED.studies,
    objects = EXCLUDED.objects, different = EXCLUDED.different, repaired = EXCLUDED.repaired, lost = EXCLUDED.lost

-- name: lost_put
INSERT INTO lost_objects (tenant_id, device, object, sop_instance, study_uid, since_us)
SELECT t.id, $2, l.object, l.sop, l.study, $6
FROM tenants t, unnest($3::bytea[], $4::text[], $5::text[]) AS l(object, sop, study) WHERE t.code = $1
ON CONFLICT (tenant_id, device, object) DO NOTHING

-- Not told any more is not found: the gateway may have forgotten it. Found is what is packed here, itself or what it
-- is a duplicate of; or what this gateway brought since under the same number: it sends that only for the same image.
-- name: lost_forget
DELETE FROM lost_objects l USING tenants t
WHERE t.id = l.tenant_id AND t.code = $1 AND l.device = $2 AND NOT (l.object = ANY ($3::bytea[]))
    AND (EXISTS (SELECT FROM instances i WHERE i.tenant_id = l.tenant_id AND i.object = l.object AND i.pack IS NOT NULL)
        OR EXISTS (SELECT FROM duplicates d JOIN instances i ON i.id = d.instance
            WHERE d.tenant_id = l.tenant_id AND d.object = l.object AND i.pack IS NOT NULL)
        OR EXISTS (SELECT FROM instances i WHERE i.tenant_id = l.tenant_id AND i.sop_instance = l.sop_instance
            AND NOT i.is_quarantined AND i.pack IS NOT NULL AND i.device = l.device AND i.arrived_at_us >= l.since_us))

-- A person at the clinic settled it: it left the gateway's list.
-- name: lost_left
DELETE FROM lost_objects l USING tenants t
WHERE t.id = l.tenant_id AND t.code = $1 AND l.device = $2 AND l.study_uid = $3 AND l.object = ANY ($4::bytea[])

-- name: reconciled_list
SELECT t.code, c.device, coalesce(r.at_us, 0), coalesce(r.days, 0), coalesce(r.studies, 0), coalesce(r.objects, 0),
    coalesce(r.different, 0), coalesce(r.repaired, 0), coalesce(r.lost, 0)
FROM (SELECT DISTINCT tenant_id, device FROM certificates
    WHERE kind = 'gateway' AND revoked_at_us IS NULL AND not_after_us > $2) c
JOIN tenants t ON t.id = c.tenant_id
LEFT JOIN reconciliations r ON r.tenant_id = c.tenant_id AND r.device = c.device
WHERE $1::text IS NULL OR t.code = $1
ORDER BY t.code, c.device

-- What gateways told, and what was found to be missing here and nobody has settled.
-- name: lost_list
SELECT t.code, l.device, l.object, l.sop_instance, l.study_uid, l.since_us,
    EXISTS (SELECT FROM instances i WHERE i.tenant_id = l.tenant_id AND i.object = l.object AND i.is_quarantined), false
FROM lost_objects l JOIN tenants t ON t.id = l.tenant_id
WHERE $1::integer IS NULL OR l.tenant_id = $1
UNION ALL
SELECT t.code, i.device, i.object, i.sop_instance, s.study_uid, i.missing_since_us, false, true
FROM instances i JOIN studies s ON s.id = i.study JOIN tenants t ON t.id = i.tenant_id
WHERE i.missing_since_us IS NOT NULL AND ($1::integer IS NULL OR i.tenant_id = $1)
    AND NOT EXISTS (SELECT FROM lost_objects l WHERE l.tenant_id = i.tenant_id AND l.object = i.object)
    AND NOT EXISTS (SELECT FROM gone_instances g WHERE g.tenant_id = i.tenant_id AND g.study_uid = s.study_uid
        AND g.sop_instance = i.sop_instance AND g.until_revision IS NULL)
ORDER BY 6, 1, 5, 4 LIMIT 10000

-- name: receipt_is_known
SELECT EXISTS (SELECT FROM receipts r
        WHERE r.tenant_id = $1 AND r.device = $2 AND r.seq >= $3 AND substr(r.object, 1, 8) = $4),
    coalesce((SELECT max(r.seq) FROM receipts r WHERE r.tenant_id = $1 AND r.device = $2), 0)

-- name: aside_reject
INSERT INTO aside_rejected (tenant_id, object, reason, by_name, at_us)
SELECT t.id, i.object, $3, $4, $5 FROM tenants t JOIN instances i ON i.tenant_id = t.id AND i.object = $2
WHERE t.code = $1 AND i.is_quarantined ON CONFLICT DO NOTHING

-- name: aside_unnoted
SELECT t.code, a.object, s.study_uid, i.sop_instance, a.by_name
FROM aside_rejected a JOIN tenants t ON t.id = a.tenant_id JOIN instances i ON i.tenant_id = a.tenant_id AND i.object = a.object
JOIN studies s ON s.id = i.study
WHERE a.noted_at_us IS NULL ORDER BY a.at_us LIMIT 100

-- name: aside_noted
UPDATE aside_rejected a SET noted_at_us = $3 FROM tenants t WHERE t.id = a.tenant_id AND t.code = $1 AND a.object = $2

-- name: aside_list
SELECT t.code, s.study_uid, i.sop_instance, i.object, i.why, i.way, i.device, i.arrived_at_us,
    coalesce((SELECT min(c.path) FROM pack_copies c WHERE c.pack = i.pack), ''), coalesce(i.landing, ''), i.id,
    coalesce(a.by_name, ''), coalesce(a.reason, ''), coalesce(a.at_us, 0)
FROM instances i JOIN tenants t ON t.id = i.tenant_id JOIN studies s ON s.id = i.study
LEFT JOIN aside_rejected a ON a.tenant_id = i.tenant_id AND a.object = i.object AND a.noted_at_us IS NOT NULL
WHERE i.is_quarantined AND ($1::integer IS NULL OR i.tenant_id = $1) AND i.id > $2 ORDER BY i.id LIMIT $3
