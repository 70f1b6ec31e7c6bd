-- Offers, arrivals, duplicates, previews.

-- name: instance_by_sop (plan kept)
SELECT i.id, i.object, i.pixels, i.dataset, i.pack IS NOT NULL, i.device, coalesce(i.landing, ''), coalesce(i.job, 0)
FROM instances i JOIN tenants t ON t.id = i.tenant_id
WHERE t.code = $1 AND i.sop_instance = $2 AND NOT i.is_quarantined

-- Packed, and sealed: of a pack that was found each copy was read back, too.
-- name: instance_by_object (plan kept)
SELECT i.id, i.pack IS NOT NULL, i.device, i.is_quarantined, i.sop_instance, coalesce(i.landing, ''),
    i.pack IS NOT NULL AND NOT EXISTS (SELECT FROM pack_copies c WHERE c.pack = i.pack AND c.verified_at_us = 0)
FROM instances i JOIN tenants t ON t.id = i.tenant_id
WHERE t.code = $1 AND i.object = $2

-- name: objects_unknown
SELECT o.code, o.object, t.id IS NOT NULL
FROM unnest($1::text[], $2::bytea[]) AS o(code, object) LEFT JOIN tenants t ON t.code = o.code
WHERE NOT EXISTS (SELECT FROM instances i WHERE i.tenant_id = t.id AND i.object = o.object)

-- Nobody packs it meanwhile: no row where somebody does.
-- name: job_lock
SELECT 1 FROM pack_jobs WHERE id = $1 AND done_at_us IS NULL FOR UPDATE SKIP LOCKED

-- The same image in another file takes the place of one whose bytes are gone. The file that is gone stays a duplicate:
-- lists name it, and who sent it waits for a receipt.
-- name: instance_take_over
WITH gone AS (
    INSERT INTO duplicates (tenant_id, object, device, instance, made_at_us)
    SELECT i.tenant_id, i.object, i.device, i.id, $12 FROM instances i WHERE i.id = $1
    ON CONFLICT DO NOTHING
)
UPDATE instances SET object = $2, size = $3, received = $4, transfer_syntax = $5, received_syntax = $6, recipe = $7, layout = $8,
    way = $9, device = $10, landing = $11, arrived_at_us = $12, has_copy = $13, missing_since_us = NULL
WHERE id = $1 AND pack IS NULL

-- name: duplicate_by_object (plan kept)
SELECT 1 FROM duplicates d JOIN tenants t ON t.id = d.tenant_id WHERE t.code = $1 AND d.object = $2

-- name: landing_put (plan kept)
INSERT INTO landing (tenant_id, object, device, size, study_uid, series_uid, sop_class, sop_instance,
    transfer_syntax, received_syntax, pixels, dataset, received, recipe, layout, offered_at_us)
SELECT t.id, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16 FROM tenants t WHERE t.code = $1
ON CONFLICT (tenant_id, object) DO UPDATE SET offered_at_us = EXCLUDED.offered_at_us
RETURNING (xmax = 0), is_looked

-- name: landing_get (plan kept)
SELECT l.device, l.size, l.study_uid, l.series_uid, l.sop_class, l.sop_instance, l.transfer_syntax,
    l.received_syntax, l.pixels, l.dataset, l.received, l.recipe, l.layout, l.is_looked, l.have_bytes
FROM landing l JOIN tenants t ON t.id = l.tenant_id WHERE t.code = $1 AND l.object = $2

-- It, or something of its study, is on its way or here and in no pack.
-- name: landing_is_begun
SELECT EXISTS (SELECT FROM landing l WHERE l.tenant_id = t.id AND (l.object = $2 OR l.study_uid = $3))
    OR EXISTS (SELECT FROM studies s JOIN instances i ON i.study = s.id
        WHERE s.tenant_id = t.id AND s.study_uid = $3 AND i.pack IS NULL)
FROM tenants t WHERE t.code = $1

-- What the maps on the landing disk say, for people who wait: nobody waits for the log's disk. Lost in a crash
-- of the database it is told again with the next piece.
-- name: landing_progress (plan kept)
UPDATE landing l SET have_bytes = $3, is_looked = $4
FROM tenants t, (SELECT set_config('synchronous_commit', 'off', true) AS is) how
WHERE t.id = l.tenant_id AND t.code = $1 AND l.object = $2 AND how.is = 'off'

-- What arrived has landed. Was it said to be lost for good?
-- name: landing_arrived (plan kept)
WITH landed AS (DELETE FROM landing l USING tenants t WHERE t.id = l.tenant_id AND t.code = $1 AND l.object = $2)
SELECT EXISTS (SELECT FROM gone_instances g JOIN tenants t ON t.id = g.tenant_id
    WHERE t.code = $1 AND g.study_uid = $3 AND g.sop_instance = $4 AND g.until_revision IS NULL)

-- name: landing_delete (plan kept)
DELETE FROM landing l USING tenants t WHERE t.id = l.tenant_id AND t.code = $1 AND l.object = $2

-- Offered last so long ago, and neither what a closed list nor what a catalogued instance waits for, itself or as another file of it.
-- name: landing_forgotten
SELECT t.code, l.object, l.device, l.study_uid, l.offered_at_us
FROM landing l JOIN tenants t ON t.id = l.tenant_id
WHERE l.offered_at_us < $1
    AND NOT EXISTS (SELECT FROM instances i WHERE i.tenant_id = l.tenant_id AND i.object = l.object AND i.pack IS NULL)
    AND NOT EXISTS (SELECT FROM instances i WHERE i.tenant_id = l.tenant_id AND i.sop_instance = l.sop_instance
        AND NOT i.is_quarantined AND i.pack IS NULL)
    AND NOT EXISTS (SELECT FROM manifests m WHERE m.tenant_id = l.tenant_id AND m.study_uid = l.study_uid
        AND m.complete_at_us IS NULL AND l.object = ANY (m.objects)
        AND NOT EXISTS (SELECT FROM manifests n WHERE n.tenant_id = m.tenant_id AND n.study_uid = m.study_uid
            AND n.source = m.source AND n.revision > m.revision))
ORDER BY l.offered_at_us LIMIT $2

-- name: landing_forget
DELETE FROM landing l USING tenants t
WHERE t.id = l.tenant_id AND t.code = $1 AND l.object = $2 AND l.offered_at_us = $3

-- The same received image under way in another coding: the gateway gave that one up when it did not prove itself.
-- name: landing_given_up (plan kept)
SELECT l.object, l.size FROM landing l JOIN tenants t ON t.id = l.tenant_id
WHERE t.code = $1 AND l.sop_instance = $2 AND l.received = $3 AND l.object <> $4

-- name: landing_of_study
SELECT l.object, l.size, l.study_uid, l.series_uid, l.sop_class, l.sop_instance, l.transfer_syntax,
    l.layout, l.is_looked
FROM landing l JOIN tenants t ON t.id = l.tenant_id
WHERE t.code = $1 AND l.study_uid = $2 AND ($3::text IS NULL OR l.sop_instance = $3)
ORDER BY l.series_uid, l.sop_instance

-- Series of which nothing is whole, with the patient whom the catalog has for the study; without what the catalog has under
-- the same number: that may be put aside.
-- name: landing_heads
SELECT l.object, l.size, l.series_uid, l.sop_instance, l.layout, l.is_looked, s.patient_id, s.issuer
FROM landing l JOIN tenants t ON t.id = l.tenant_id LEFT JOIN studies s ON s.tenant_id = t.id AND s.study_uid = l.study_uid
    AND EXISTS (SELECT FROM series r WHERE r.study = s.id AND r.instances > 0)
WHERE t.code = $1 AND l.study_uid = $2
    AND NOT EXISTS (SELECT FROM instances i WHERE i.tenant_id = t.id AND i.sop_instance = l.sop_instance AND NOT i.is_quarantined)
    AND NOT EXISTS (SELECT FROM series r WHERE r.study = s.id AND r.series_uid = l.series_uid AND r.instances > 0)
ORDER BY l.series_uid, l.sop_instance

-- name: study_is_known (plan kept)
SELECT EXISTS (SELECT FROM studies s JOIN tenants t ON t.id = s.tenant_id
        WHERE t.code = $1 AND s.study_uid = $2)
    OR EXISTS (SELECT FROM landing l JOIN tenants t ON t.id = l.tenant_id
        WHERE t.code = $1 AND l.study_uid = $2)

-- name: duplicate_add (plan kept)
INSERT INTO duplicates (tenant_id, object, device, instance, made_at_us)
SELECT i.tenant_id, $2, $3, i.id, $4 FROM instances i WHERE i.id = $1
ON CONFLICT DO NOTHING

-- name: patient_put (plan kept)
INSERT INTO patients (tenant_id, issuer, patient_id)
SELECT t.id, $2, $3 FROM tenants t WHERE t.code = $1
ON CONFLICT (tenant_id, patient_id, issuer) DO UPDATE SET issuer = EXCLUDED.issuer
RETURNING id

-- name: study_put (plan kept)
INSERT INTO studies (tenant_id, study_uid, patient, patient_id, issuer, patient_name, birth_date, sex, age,
    study_date, study_time, accession, study_id, description, referring, institution, text_method,
    first_at_us, last_at_us)
SELECT t.id, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $18
FROM tenants t WHERE t.code = $1
ON CONFLICT (tenant_id, study_uid) DO UPDATE SET last_at_us = EXCLUDED.last_at_us
RETURNING id, patient_id, issuer, xmax = 0,
    xmax <> 0 AND NOT EXISTS (SELECT FROM series r WHERE r.study = studies.id AND r.instances > 0)

-- All that came of it was put aside, and decides nothing: the first that is kept does.
-- name: study_name
UPDATE studies SET patient = $2, patient_id = $3, issuer = $4, patient_name = $5, birth_date = $6, sex = $7, age = $8,
    study_date = $9, study_time = $10, accession = $11, study_id = $12, description = $13, referring = $14, institution = $15,
    text_method = $16
WHERE id = $1

-- Found, it is locked as one that is counted up, not as one that changes its key: packs of it may be made meanwhile.
-- name: series_put (plan kept)
INSERT INTO series (tenant_id, study, series_uid, modality, number, description, body_part, series_date,
    series_time, station, institution)
SELECT s.tenant_id, s.id, $2, $3, $4, $5, $6, $7, $8, $9, $10 FROM studies s WHERE s.id = $1
ON CONFLICT (study, series_uid) DO UPDATE SET modality = series.modality
RETURNING id, xmax <> 0 AND instances = 0

-- name: series_name
UPDATE series SET modality = $2, number = $3, description = $4, body_part = $5, series_date = $6, series_time = $7, station = $8,
    institution = $9
WHERE id = $1

-- name: series_count (plan kept)
UPDATE series SET instances = instances + 1,
    sop_classes = CASE WHEN $2 = ANY (sop_classes) THEN sop_classes ELSE sop_classes || $2::text END
WHERE id = $1

-- Under the row's lock: a row that was lost was counted, and is counted again.
-- name: series_recount
UPDATE series SET instances = (SELECT count(*) FROM instances i WHERE i.series = $1 AND NOT i.is_quarantined) WHERE id = $1

-- name: instance_add (plan kept)
INSERT INTO instances (tenant_id, study, series, sop_instance, sop_class, number, object, size, pixels, dataset,
    received, transfer_syntax, received_syntax, recipe, layout, rows, columns, frames, bits_allocated, has_pixels,
    content_date, content_time, is_quarantined, why, way, device, landing, has_copy, arrived_at_us)
SELECT s.tenant_id, s.id, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19,
    $20, $21, $22, $23, $24, $25, $26, $27, $28
FROM studies s WHERE s.id = $1
RETURNING id

-- name: instance_is_sealed (plan kept)
SELECT i.pack IS NOT NULL AND NOT EXISTS (SELECT FROM pack_copies c WHERE c.pack = i.pack AND c.verified_at_us = 0)
FROM instances i WHERE i.id = $1

-- name: landing_came_back
UPDATE instances i SET landing = coalesce(i.landing, $3), has_copy = true FROM tenants t
WHERE t.id = i.tenant_id AND t.code = $1 AND i.object = $2 AND (i.landing IS NULL OR NOT i.has_copy)
