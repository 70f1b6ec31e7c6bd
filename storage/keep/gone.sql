-- Images that are lost for good (migrations/0011_gone.sql). Under the lock that lists are closed under.

-- What the newest lists name, is not here in any file, and is not off the study's list before.
-- name: gone_missing
SELECT DISTINCT o.sop
FROM (SELECT DISTINCT ON (m.source) m.tenant_id, m.objects || m.carried_objects AS objects, m.sop_instances || m.carried_sops AS sops
    FROM manifests m JOIN tenants t ON t.id = m.tenant_id WHERE t.code = $1 AND m.study_uid = $2
    ORDER BY m.source, m.revision DESC) n CROSS JOIN LATERAL unnest(n.objects, n.sops) AS o(object, sop)
WHERE NOT EXISTS (SELECT FROM instances i WHERE i.tenant_id = n.tenant_id AND i.object = o.object AND i.missing_since_us IS NULL)
    AND NOT EXISTS (SELECT FROM duplicates d JOIN instances i ON i.id = d.instance AND i.missing_since_us IS NULL
        WHERE d.tenant_id = n.tenant_id AND d.object = o.object)
    AND NOT EXISTS (SELECT FROM gone_instances g WHERE g.tenant_id = n.tenant_id AND g.study_uid = $2 AND g.sop_instance = o.sop
        AND g.until_revision IS NULL)

-- name: gone_put
INSERT INTO gone_instances (tenant_id, study_uid, sop_instance, from_revision, reason, by_name, at_us)
SELECT t.id, $2, g.sop, $4, $5, $6, $7 FROM tenants t, unnest($3::text[]) AS g(sop) WHERE t.code = $1

-- What of the study is packed, and what is open (studies_sealed).
-- name: gone_sealed
SELECT count(*) FILTER (WHERE i.pack IS NOT NULL), count(*) FILTER (WHERE i.pack IS NULL AND NOT (i.missing_since_us IS NOT NULL
    AND EXISTS (SELECT FROM gone_instances g WHERE g.tenant_id = i.tenant_id AND g.study_uid = s.study_uid
        AND g.sop_instance = i.sop_instance AND g.until_revision IS NULL)))
FROM studies s JOIN tenants t ON t.id = s.tenant_id JOIN instances i ON i.study = s.id AND NOT i.is_quarantined AND i.way <> 'reader'
WHERE t.code = $1 AND s.study_uid = $2

-- name: gone_came
UPDATE gone_instances g SET until_revision = $4 FROM tenants t
WHERE t.id = g.tenant_id AND t.code = $1 AND g.study_uid = $2 AND g.sop_instance = $3 AND g.until_revision IS NULL

-- A revision of the study's list of its own: of a source that names nothing. Its number.
-- name: gone_turn
INSERT INTO manifests (tenant_id, study_uid, source, revision, closed_at_us, content_sha256, objects, sop_instances, received_at_us,
    study_revision)
SELECT t.id, $2, '#', 1 + count(*) FILTER (WHERE m.source = '#'), $3, '', '{}', '{}', $3, 1 + max(m.study_revision)
FROM tenants t JOIN manifests m ON m.tenant_id = t.id AND m.study_uid = $2 WHERE t.code = $1 GROUP BY t.id
RETURNING study_revision
