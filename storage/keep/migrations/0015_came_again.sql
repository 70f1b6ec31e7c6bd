-- Images that came again after their rows were lost, under lists that were whole before: nobody made packs of them. From
-- now on the list waits for them anew (manifest_reopen).
WITH due AS (
    SELECT DISTINCT i.tenant_id, i.study, i.series, n.revision FROM instances i JOIN studies s ON s.id = i.study
    CROSS JOIN LATERAL (SELECT max(m.revision) AS revision FROM manifests m
        WHERE m.tenant_id = i.tenant_id AND m.study_uid = s.study_uid AND m.complete_at_us IS NOT NULL
            AND (m.objects @> ARRAY[i.object] OR m.carried_objects @> ARRAY[i.object])
            AND NOT EXISTS (SELECT FROM manifests x WHERE x.tenant_id = m.tenant_id AND x.study_uid = m.study_uid
                AND x.source = m.source AND x.revision > m.revision)) n
    WHERE i.pack IS NULL AND i.job IS NULL AND i.way = 'link' AND NOT i.is_quarantined AND n.revision IS NOT NULL
), made AS (
    INSERT INTO pack_jobs (tenant_id, study, series, revision, is_quarantine, made_at_us)
    SELECT tenant_id, study, series, max(revision), false, (extract(epoch FROM now()) * 1000000)::bigint
    FROM due GROUP BY tenant_id, study, series
    RETURNING id, study, series
)
UPDATE instances i SET job = made.id FROM made
WHERE i.study = made.study AND i.series = made.series AND i.pack IS NULL AND i.job IS NULL AND i.way = 'link'
    AND NOT i.is_quarantined;
