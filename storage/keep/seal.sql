-- Manifests, pack jobs, packs, receipts, events.

-- What the source's newest list named, and this one ($10: it says what left) neither names nor says to have left, it
-- carries on. What left goes, and any other file of it that is not whole here.
-- name: manifest_add
WITH last AS (
    SELECT m.tenant_id, m.revision, m.objects || m.carried_objects AS objects, m.sop_instances || m.carried_sops AS sops
    FROM manifests m JOIN tenants t ON t.id = m.tenant_id
    WHERE t.code = $1 AND m.study_uid = $2 AND m.source = $3 ORDER BY m.revision DESC LIMIT 1
), carried AS (
    SELECT coalesce(array_agg(o.object ORDER BY o.n), '{}') AS objects, coalesce(array_agg(o.sop ORDER BY o.n), '{}') AS sops
    FROM last CROSS JOIN LATERAL unnest(last.objects, last.sops) WITH ORDINALITY AS o(object, sop, n)
    WHERE $10 AND NOT EXISTS (SELECT FROM unnest($8::text[]) AS named(sop) WHERE named.sop = o.sop)
        AND NOT EXISTS (SELECT FROM unnest($11::bytea[], $12::text[]) AS gone(object, sop)
            WHERE gone.sop = o.sop AND (gone.object = o.object OR NOT EXISTS (SELECT FROM instances i
                LEFT JOIN duplicates d ON d.instance = i.id AND d.object = o.object
                WHERE i.tenant_id = last.tenant_id AND i.sop_instance = o.sop AND NOT i.is_quarantined
                    AND (i.object = o.object OR d.object IS NOT NULL))))
)
INSERT INTO manifests (tenant_id, study_uid, source, revision, closed_at_us, content_sha256, objects, sop_instances,
    received_at_us, carried_objects, carried_sops, study_revision)
SELECT t.id, $2, $3, $4, $5, $6, $7, $8, $9, c.objects, c.sops, 1 + coalesce((SELECT max(m.study_revision) FROM manifests m
    WHERE m.tenant_id = t.id AND m.study_uid = $2), 0)
FROM tenants t CROSS JOIN carried c WHERE t.code = $1 AND NOT EXISTS (SELECT FROM last WHERE last.revision >= $4)
ON CONFLICT (tenant_id, study_uid, source, revision) DO NOTHING

-- name: manifest_announce
UPDATE manifests m SET announced = $5 FROM tenants t
WHERE t.id = m.tenant_id AND t.code = $1 AND m.study_uid = $2 AND m.source = $3 AND m.revision = $4
    AND coalesce(m.announced, 0) < $5

-- name: manifest_lock (plan kept)
SELECT 1 FROM (SELECT pg_advisory_xact_lock(7267703, hashtext($1 || '/' || $2))) l

-- name: manifest_count
SELECT count(DISTINCT o.sop), max(n.last)
FROM (SELECT DISTINCT ON (m.source) m.tenant_id, m.sop_instances || m.carried_sops AS sops, max(m.study_revision) OVER () AS last
    FROM manifests m JOIN tenants t ON t.id = m.tenant_id WHERE t.code = $1 AND m.study_uid = $2
    ORDER BY m.source, m.revision DESC) n LEFT JOIN LATERAL (SELECT u.sop FROM unnest(n.sops) AS u(sop)
        WHERE NOT EXISTS (SELECT FROM gone_instances g WHERE g.tenant_id = n.tenant_id AND g.study_uid = $2
            AND g.sop_instance = u.sop AND g.until_revision IS NULL)) AS o ON true

-- name: manifest_list
WITH top AS (
    SELECT m.tenant_id, m.study_uid, m.study_revision, m.closed_at_us
    FROM manifests m JOIN tenants t ON t.id = m.tenant_id
    WHERE t.code = $1 AND m.study_uid = $2 AND ($3::integer = 0 OR m.study_revision = $3)
    ORDER BY m.study_revision DESC LIMIT 1
), newest AS (
    SELECT DISTINCT ON (m.source) m.objects || m.carried_objects AS objects, m.sop_instances || m.carried_sops AS sops
    FROM manifests m JOIN top
        ON m.tenant_id = top.tenant_id AND m.study_uid = top.study_uid AND m.study_revision <= top.study_revision
    ORDER BY m.source, m.revision DESC
), listed AS (
    SELECT DISTINCT ON (o.sop, coalesce(i.object, o.object)) o.sop, coalesce(i.object, o.object) AS object,
        coalesce(i.sop_class, l.sop_class, '') AS sop_class, coalesce(e.series_uid, l.series_uid, '') AS series_uid,
        coalesce(i.pixels, l.pixels) AS pixels, coalesce(i.dataset, l.dataset) AS dataset,
        i.id IS NOT NULL AND NOT i.is_quarantined AND i.missing_since_us IS NULL AS is_whole, coalesce(i.is_quarantined, false) AS is_quarantined
    FROM newest CROSS JOIN top CROSS JOIN LATERAL unnest(newest.objects, newest.sops) AS o(object, sop)
    LEFT JOIN instances own ON own.tenant_id = top.tenant_id AND own.object = o.object
    LEFT JOIN LATERAL (SELECT d.instance FROM duplicates d
        WHERE own.id IS NULL AND d.tenant_id = top.tenant_id AND d.object = o.object LIMIT 1) d ON true
    LEFT JOIN instances i ON i.id = coalesce(own.id, d.instance)
    LEFT JOIN series e ON e.id = i.series
    LEFT JOIN landing l ON l.tenant_id = top.tenant_id AND l.object = o.object
    WHERE NOT EXISTS (SELECT FROM gone_instances g WHERE g.tenant_id = top.tenant_id AND g.study_uid = top.study_uid
        AND g.sop_instance = o.sop AND g.from_revision <= top.study_revision
        AND (g.until_revision IS NULL OR g.until_revision > top.study_revision))
    ORDER BY o.sop, coalesce(i.object, o.object), is_whole DESC
)
SELECT top.study_revision, top.closed_at_us, listed.sop, listed.object, listed.sop_class, listed.series_uid,
    listed.pixels, listed.dataset, listed.is_whole, listed.is_quarantined
FROM top LEFT JOIN listed ON true ORDER BY listed.sop COLLATE "C", listed.object

-- And the source has told no newer list that lacks what this one names.
-- name: manifest_same
SELECT 1 FROM manifests m JOIN tenants t ON t.id = m.tenant_id
WHERE t.code = $1 AND m.study_uid = $2 AND m.source = $3 AND m.revision = $4 AND m.content_sha256 = $5
    AND m.sop_instances <@ coalesce((SELECT n.sop_instances || n.carried_sops FROM manifests n
        WHERE n.tenant_id = m.tenant_id AND n.study_uid = m.study_uid AND n.source = m.source AND n.revision > m.revision
        ORDER BY n.revision DESC LIMIT 1), m.sop_instances)

-- Packing waits for what the list itself names; whole it is with what it carries on. Nobody waits for what is lost for good;
-- a list that says just that ('#', gone.sql) is whole when all the others are. What is catalogued is looked for in the index
-- alone, at each arrival; which of it is missing (missing.sql), in one of its own.
-- name: manifest_due (plan kept)
SELECT m.source, m.revision, m.closed_at_us, m.study_revision,
    NOT EXISTS (SELECT FROM manifests x
        CROSS JOIN LATERAL unnest(x.objects || x.carried_objects, x.sop_instances || x.carried_sops) AS o(object, sop)
        WHERE x.tenant_id = m.tenant_id AND x.study_uid = m.study_uid AND (x.source = m.source OR m.source = '#')
            AND NOT EXISTS (SELECT FROM manifests n WHERE n.tenant_id = x.tenant_id AND n.study_uid = x.study_uid
                AND n.source = x.source AND n.revision > x.revision)
            AND NOT EXISTS (SELECT FROM instances i WHERE i.tenant_id = m.tenant_id AND i.object = o.object)
            AND NOT EXISTS (SELECT FROM duplicates d WHERE d.tenant_id = m.tenant_id AND d.object = o.object)
            AND NOT EXISTS (SELECT FROM gone_instances g WHERE g.tenant_id = m.tenant_id AND g.study_uid = m.study_uid
                AND g.sop_instance = o.sop AND g.until_revision IS NULL))
        AND NOT EXISTS (SELECT FROM studies s JOIN instances i ON i.study = s.id AND i.missing_since_us IS NOT NULL
            JOIN manifests x ON x.tenant_id = s.tenant_id AND x.study_uid = s.study_uid AND (x.source = m.source OR m.source = '#')
            WHERE s.tenant_id = m.tenant_id AND s.study_uid = m.study_uid
                AND NOT EXISTS (SELECT FROM manifests n WHERE n.tenant_id = x.tenant_id AND n.study_uid = x.study_uid
                    AND n.source = x.source AND n.revision > x.revision)
                AND (i.object = ANY (x.objects || x.carried_objects) OR EXISTS (SELECT FROM duplicates d
                    WHERE d.instance = i.id AND d.object = ANY (x.objects || x.carried_objects)))
                AND NOT EXISTS (SELECT FROM gone_instances g WHERE g.tenant_id = m.tenant_id AND g.study_uid = m.study_uid
                    AND g.sop_instance = i.sop_instance AND g.until_revision IS NULL))
FROM manifests m JOIN tenants t ON t.id = m.tenant_id
WHERE t.code = $1 AND m.study_uid = $2 AND m.complete_at_us IS NULL
    AND NOT EXISTS (SELECT FROM manifests n WHERE n.tenant_id = m.tenant_id AND n.study_uid = m.study_uid
        AND n.source = m.source AND n.revision > m.revision)
    AND NOT EXISTS (SELECT FROM unnest(m.objects, m.sop_instances) AS o(object, sop)
        WHERE NOT EXISTS (SELECT FROM instances i WHERE i.tenant_id = m.tenant_id AND i.object = o.object)
            AND NOT EXISTS (SELECT FROM duplicates d WHERE d.tenant_id = m.tenant_id AND d.object = o.object)
            AND NOT EXISTS (SELECT FROM gone_instances g WHERE g.tenant_id = m.tenant_id AND g.study_uid = m.study_uid
                AND g.sop_instance = o.sop AND g.until_revision IS NULL))
    AND NOT EXISTS (SELECT FROM studies s JOIN instances i ON i.study = s.id AND i.missing_since_us IS NOT NULL
        WHERE s.tenant_id = m.tenant_id AND s.study_uid = m.study_uid
            AND (i.object = ANY (m.objects) OR EXISTS (SELECT FROM duplicates d
                WHERE d.instance = i.id AND d.object = ANY (m.objects)))
            AND NOT EXISTS (SELECT FROM gone_instances g WHERE g.tenant_id = m.tenant_id AND g.study_uid = m.study_uid
                AND g.sop_instance = i.sop_instance AND g.until_revision IS NULL))
ORDER BY m.study_revision DESC FOR UPDATE OF m

-- What a whole list names came again, in no pack: its row was lost (the catalog was set back, or harmed). The list waits for
-- all of it anew. What was called lost for good has a list of its own (gone_turn).
-- name: manifest_reopen (plan kept)
UPDATE manifests m SET complete_at_us = NULL FROM tenants t
WHERE t.id = m.tenant_id AND t.code = $1 AND m.study_uid = $2 AND m.complete_at_us IS NOT NULL
    AND (m.objects @> ARRAY[$3::bytea] OR m.carried_objects @> ARRAY[$3::bytea])
    AND NOT EXISTS (SELECT FROM manifests n WHERE n.tenant_id = m.tenant_id AND n.study_uid = m.study_uid
        AND n.source = m.source AND n.revision > m.revision)
    AND NOT EXISTS (SELECT FROM gone_instances g WHERE g.tenant_id = m.tenant_id AND g.study_uid = m.study_uid
        AND g.sop_instance = $4 AND g.until_revision IS NULL)

-- name: manifest_complete
UPDATE manifests m SET complete_at_us = $4 FROM tenants t
WHERE t.id = m.tenant_id AND t.code = $1 AND m.study_uid = $2 AND m.source = $3 AND m.complete_at_us IS NULL

-- A gateway's list takes what gateways sent, and not what waits for the direct senders' own list ($5 false): what has
-- a job is listed no more.
-- name: jobs_make
WITH due AS (
    SELECT DISTINCT i.tenant_id, i.study, i.series, i.is_quarantined FROM instances i
    JOIN studies s ON s.id = i.study JOIN tenants t ON t.id = s.tenant_id
    WHERE t.code = $1 AND s.study_uid = $2 AND i.pack IS NULL AND i.job IS NULL AND i.missing_since_us IS NULL
    AND ($5 OR i.way IN ('link', 'reader'))
), made AS (
    INSERT INTO pack_jobs (tenant_id, study, series, revision, is_quarantine, made_at_us)
    SELECT tenant_id, study, series, $3, is_quarantined, $4 FROM due
    RETURNING id, study, series, is_quarantine
)
UPDATE instances i SET job = made.id FROM made
WHERE i.study = made.study AND i.series = made.series AND i.is_quarantined = made.is_quarantine
    AND i.pack IS NULL AND i.job IS NULL AND i.missing_since_us IS NULL
    AND ($5 OR i.way IN ('link', 'reader'))

-- Of what came later than $1; what came later than now ($2) came under a clock that was ahead, and holds nothing up.
-- name: reader_studies
SELECT DISTINCT t.code, s.study_uid
FROM instances i JOIN studies s ON s.id = i.study JOIN tenants t ON t.id = s.tenant_id
WHERE i.pack IS NULL AND i.job IS NULL AND i.missing_since_us IS NULL AND i.way = 'reader'
    AND NOT EXISTS (SELECT FROM instances n WHERE n.study = i.study AND n.pack IS NULL AND n.way = 'reader'
        AND n.arrived_at_us > $1 AND n.arrived_at_us <= $2)
LIMIT 100

-- What a gateway sent and was put aside is on no list: it may have come after the last one, or alone.
-- name: aside_studies
SELECT DISTINCT t.code, s.study_uid
FROM instances i JOIN studies s ON s.id = i.study JOIN tenants t ON t.id = s.tenant_id
WHERE i.pack IS NULL AND i.job IS NULL AND i.missing_since_us IS NULL AND i.is_quarantined AND i.way = 'link'
    AND NOT EXISTS (SELECT FROM instances n WHERE n.study = i.study AND n.pack IS NULL AND n.job IS NULL
        AND n.is_quarantined AND n.way = 'link' AND n.arrived_at_us > $1 AND n.arrived_at_us <= $2)
LIMIT 100

-- name: unlisted_jobs_make
WITH due AS (
    SELECT DISTINCT i.tenant_id, s.study_uid, i.study, i.series, i.is_quarantined FROM instances i
    JOIN studies s ON s.id = i.study JOIN tenants t ON t.id = s.tenant_id
    WHERE t.code = $1 AND s.study_uid = $2 AND i.pack IS NULL AND i.job IS NULL AND i.missing_since_us IS NULL
        AND (i.way = 'reader' OR (i.way = 'link' AND i.is_quarantined))
), made AS (
    INSERT INTO pack_jobs (tenant_id, study, series, revision, is_quarantine, made_at_us)
    SELECT tenant_id, study, series, coalesce((SELECT max(m.revision) FROM manifests m
        WHERE m.tenant_id = due.tenant_id AND m.study_uid = due.study_uid), 0), is_quarantined, $3 FROM due
    RETURNING id, study, series, is_quarantine
)
UPDATE instances i SET job = made.id FROM made
WHERE i.study = made.study AND i.series = made.series AND i.is_quarantined = made.is_quarantine
    AND i.pack IS NULL AND i.job IS NULL AND i.missing_since_us IS NULL
    AND (i.way = 'reader' OR (i.way = 'link' AND i.is_quarantined))

-- name: quiet_studies
SELECT DISTINCT t.code, s.study_uid
FROM instances i JOIN studies s ON s.id = i.study JOIN tenants t ON t.id = s.tenant_id
WHERE i.pack IS NULL AND i.job IS NULL AND i.missing_since_us IS NULL AND i.way NOT IN ('link', 'reader')
    AND NOT EXISTS (SELECT FROM instances n WHERE n.study = i.study AND n.pack IS NULL AND n.arrived_at_us > $1
        AND n.arrived_at_us <= $2)
LIMIT 100

-- Of what came directly and was found in packs (its rows have no job), something is on no list of direct senders.
-- name: found_studies
SELECT t.code, s.study_uid
FROM (SELECT DISTINCT study FROM instances WHERE pack IS NOT NULL AND job IS NULL AND way NOT IN ('link', 'reader')) f
JOIN studies s ON s.id = f.study JOIN tenants t ON t.id = s.tenant_id
WHERE EXISTS (SELECT i.object FROM instances i
    WHERE i.study = f.study AND i.pack IS NOT NULL AND i.job IS NULL AND i.way NOT IN ('link', 'reader')
    EXCEPT SELECT unnest(m.objects) FROM manifests m
    WHERE m.tenant_id = s.tenant_id AND m.study_uid = s.study_uid AND m.source = '')
ORDER BY t.code, s.study_uid

-- name: direct_objects
SELECT i.object, i.sop_instance,
    coalesce((SELECT max(m.revision) FROM manifests m
        WHERE m.tenant_id = s.tenant_id AND m.study_uid = s.study_uid AND m.source = ''), 0),
    bool_or(i.pack IS NULL AND i.job IS NULL AND i.missing_since_us IS NULL) OVER (),
    bool_or(NOT EXISTS (SELECT FROM manifests m WHERE m.tenant_id = s.tenant_id AND m.study_uid = s.study_uid
        AND m.source = '' AND i.object = ANY (m.objects))) OVER ()
FROM instances i JOIN studies s ON s.id = i.study JOIN tenants t ON t.id = s.tenant_id
WHERE t.code = $1 AND s.study_uid = $2 AND i.way NOT IN ('link', 'reader')
ORDER BY i.id

-- The next due job after those taken already. What failed before is taken alone. One that is put off past the longest
-- wait ($5) was put off by a clock that was ahead: it is due.
-- name: job_next
SELECT j.id, t.code, j.revision, j.made_at_us, j.is_quarantine, j.study, j.series, j.attempts, j.next_try_us
FROM pack_jobs j JOIN tenants t ON t.id = j.tenant_id
WHERE j.done_at_us IS NULL AND (j.next_try_us <= $1 OR j.next_try_us > $5) AND (j.next_try_us, j.id) > ($2, $3)
    AND ($4 OR j.attempts = 0)
ORDER BY j.next_try_us, j.id LIMIT 1
FOR UPDATE OF j SKIP LOCKED

-- name: jobs_due
SELECT count(*) FROM (SELECT FROM pack_jobs j WHERE j.done_at_us IS NULL
    AND (j.next_try_us <= $1 OR j.next_try_us > $3) LIMIT $2) AS due

-- name: job_failed
UPDATE pack_jobs SET next_try_us = $2, last_error = $3, attempts = attempts + 1 WHERE id = $1 AND done_at_us IS NULL

-- name: job_series
SELECT s.study_uid, s.patient_id, s.issuer, s.patient_name, s.birth_date, s.sex, s.age, s.study_date, s.study_time,
    s.accession, s.study_id, s.description, s.referring, s.institution,
    e.series_uid, e.modality, e.number, e.description, e.body_part, e.series_date, e.series_time, e.station,
    e.institution
FROM pack_jobs j JOIN studies s ON s.id = j.study JOIN series e ON e.id = j.series WHERE j.id = $1

-- name: job_instances
SELECT i.id, i.object, i.size, i.sop_class, i.sop_instance, i.transfer_syntax, i.received_syntax, i.pixels, i.dataset,
    i.received, i.recipe, i.layout, i.number, i.rows, i.columns, i.frames, i.bits_allocated, i.has_pixels,
    i.landing, i.has_copy, i.why, i.way, i.device, i.arrived_at_us, i.content_date, i.content_time
FROM instances i WHERE i.job = $1 AND i.pack IS NULL ORDER BY i.number, i.id

-- All that was in a pack that is lost (lost.c) makes the same bytes again: it is that pack.
-- name: pack_add
WITH pack AS (
    INSERT INTO packs (tenant_id, study, series, sha256, size, instances, revision, is_quarantine, made_at_us)
    SELECT j.tenant_id, j.study, j.series, $2, $3, cardinality($6::bigint[]), j.revision, j.is_quarantine, $5
    FROM pack_jobs j WHERE j.id = $1 AND j.done_at_us IS NULL
    ON CONFLICT (tenant_id, sha256) DO UPDATE SET lost_since_us = NULL WHERE packs.lost_since_us IS NOT NULL
    RETURNING id
), copies AS (
    INSERT INTO pack_copies (pack, store, path, verified_at_us)
    SELECT pack.id, c.store, $4, $5 FROM pack, generate_series(0, $8::integer - 1) AS c(store)
    ON CONFLICT (pack, store) DO UPDATE SET verified_at_us = EXCLUDED.verified_at_us, doubted_at_us = NULL
), job AS (
    UPDATE pack_jobs j SET done_at_us = $5, last_error = '' FROM pack WHERE j.id = $1
)
UPDATE instances i SET pack = pack.id, pack_offset = m.at, sealed_at_us = $5
FROM pack, unnest($6::bigint[], $7::bigint[]) AS m(id, at)
WHERE i.id = m.id AND i.pack IS NULL

-- name: job_empty
UPDATE pack_jobs SET done_at_us = $2, last_error = '' WHERE id = $1

-- name: receipts_lock
SELECT 1 FROM (SELECT pg_advisory_xact_lock(7267702)) l

-- Of the instances that were just put into packs. OFFSET 0: each is looked for by its index, however many there are. One that
-- was taken back (lost.sql) is given anew.
-- name: receipts_for_packed
INSERT INTO receipts (seq, tenant_id, device, object, sop_instance, study_uid, pack, copies, at_us)
SELECT nextval('receipt_seq'), r.tenant_id, r.device, r.object, r.sop_instance, r.study_uid, p.sha256,
    (SELECT count(*) FROM pack_copies c WHERE c.pack = p.id), $2
FROM (
    SELECT i.tenant_id, i.device, i.object, i.sop_instance, s.study_uid, i.pack
    FROM unnest($1::bigint[]) AS m(id) JOIN instances i ON i.id = m.id JOIN studies s ON s.id = i.study
    WHERE i.way = 'link' AND NOT i.is_quarantined
    UNION
    SELECT i.tenant_id, d.device, d.object, i.sop_instance, s.study_uid, i.pack
    FROM unnest($1::bigint[]) AS m(id)
    CROSS JOIN LATERAL (SELECT * FROM duplicates d WHERE d.instance = m.id OFFSET 0) d
    JOIN instances i ON i.id = m.id JOIN studies s ON s.id = i.study
    WHERE NOT i.is_quarantined
) r CROSS JOIN LATERAL (SELECT * FROM packs p WHERE p.id = r.pack OFFSET 0) p
ON CONFLICT (tenant_id, device, object) DO UPDATE SET seq = EXCLUDED.seq, pack = EXCLUDED.pack, copies = EXCLUDED.copies,
    at_us = EXCLUDED.at_us, is_taken_back = false
WHERE receipts.is_taken_back

-- name: receipt_again
INSERT INTO receipts (seq, tenant_id, device, object, sop_instance, study_uid, pack, copies, at_us)
SELECT nextval('receipt_seq'), i.tenant_id, $2, $3, i.sop_instance, s.study_uid, p.sha256,
    (SELECT count(*) FROM pack_copies c WHERE c.pack = p.id), $4
FROM instances i JOIN studies s ON s.id = i.study JOIN packs p ON p.id = i.pack WHERE i.id = $1
ON CONFLICT (tenant_id, device, object) DO UPDATE SET seq = EXCLUDED.seq, pack = EXCLUDED.pack, copies = EXCLUDED.copies,
    at_us = EXCLUDED.at_us, is_taken_back = false

-- What this file is, or is another file of, if another device brought it and this one was promised nothing.
-- name: receipt_owed (plan kept)
SELECT coalesce(own.id, d.instance) FROM tenants t
LEFT JOIN instances own ON own.tenant_id = t.id AND own.object = $2
LEFT JOIN LATERAL (SELECT d.instance FROM duplicates d
    WHERE own.id IS NULL AND d.tenant_id = t.id AND d.object = $2 LIMIT 1) d ON true
WHERE t.code = $1 AND coalesce(own.id, d.instance) IS NOT NULL AND own.is_quarantined IS NOT TRUE AND own.device IS DISTINCT FROM $3
    AND NOT EXISTS (SELECT FROM duplicates x WHERE x.tenant_id = t.id AND x.object = $2 AND x.device = $3)

-- name: receipts_after
SELECT r.seq, r.object, r.sop_instance, r.study_uid, r.pack, r.copies, r.at_us
FROM receipts r WHERE r.tenant_id = $1 AND r.device = $2 AND r.seq > $3 AND NOT r.is_taken_back ORDER BY r.seq LIMIT $4

-- name: receipts_news
SELECT t.code, max(r.seq) FROM receipts r JOIN tenants t ON t.id = r.tenant_id WHERE r.seq > $1 GROUP BY t.code

-- name: receipts_latest
SELECT coalesce(max(seq), 0) FROM receipts

-- A page, behind what the last one ended with: what could not go stays listed. Sealed later than now ($5): the clock was ahead. Of a pack that was found each copy was read
-- back before.
-- name: clean_list
SELECT i.id, i.landing, i.has_copy, i.sealed_at_us FROM instances i
WHERE i.pack IS NOT NULL AND i.landing IS NOT NULL AND (i.sealed_at_us <= $1 OR i.sealed_at_us > $5)
    AND (i.sealed_at_us, i.id) > ($2, $3)
    AND (SELECT bool_or(c.verified_at_us = 0) FROM pack_copies c WHERE c.pack = i.pack) IS NOT TRUE
ORDER BY i.sealed_at_us, i.id LIMIT $4

-- name: clean_done
UPDATE instances SET landing = NULL, has_copy = false WHERE id = ANY ($1::bigint[]) AND pack IS NOT NULL

-- How the studies of these jobs stand now. What was put aside is not of the study before a person has said so; what is
-- missing and was said to be lost for good is not any more (gone_sealed, too).
-- name: studies_sealed
SELECT t.code, s.study_uid, count(*) FILTER (WHERE i.pack IS NOT NULL AND i.way <> 'reader'),
    count(*) FILTER (WHERE i.pack IS NULL AND i.way <> 'reader' AND NOT (i.missing_since_us IS NOT NULL
        AND EXISTS (SELECT FROM gone_instances g WHERE g.tenant_id = i.tenant_id AND g.study_uid = s.study_uid
            AND g.sop_instance = i.sop_instance AND g.until_revision IS NULL))),
    bool_or(i.job = ANY ($1::bigint[]) AND i.way <> 'reader')
FROM (SELECT DISTINCT j.study FROM unnest($1::bigint[]) AS g(id) JOIN pack_jobs j ON j.id = g.id) d
JOIN studies s ON s.id = d.study JOIN tenants t ON t.id = s.tenant_id
JOIN instances i ON i.study = s.id AND NOT i.is_quarantined
GROUP BY t.code, s.study_uid ORDER BY t.code, s.study_uid

-- name: event_add
WITH l AS MATERIALIZED (SELECT pg_advisory_xact_lock(7267701))
INSERT INTO events (seq, tenant_id, kind, study_uid, at_us, detail)
SELECT nextval('event_seq'), t.id, $2, $3, $4, $5 FROM tenants t, l WHERE t.code = $1

-- name: events_after
SELECT e.seq, t.code, e.kind, e.study_uid, e.at_us, e.detail
FROM events e JOIN tenants t ON t.id = e.tenant_id
WHERE ($1::integer IS NULL OR e.tenant_id = $1) AND e.seq > $2 ORDER BY e.seq LIMIT $3

-- name: event_is_known
WITH seen AS (
    SELECT EXISTS (SELECT FROM events e JOIN tenants t ON t.id = e.tenant_id
        WHERE ($1::text IS NULL OR t.code = $1) AND e.seq = $2 AND e.at_us = $3) AS is_known
)
SELECT s.is_known, CASE WHEN s.is_known THEN 0 ELSE coalesce((SELECT e.seq FROM events e JOIN tenants t ON t.id = e.tenant_id
    WHERE ($1::text IS NULL OR t.code = $1) AND e.at_us <= $4 ORDER BY e.seq DESC LIMIT 1), 0) END
FROM seen s

-- name: traffic_add
INSERT INTO traffic (tenant_id, hour_us, bytes, objects) SELECT t.id, $2, $3, $4 FROM tenants t WHERE t.code = $1
ON CONFLICT (tenant_id, hour_us) DO UPDATE SET bytes = traffic.bytes + EXCLUDED.bytes, objects = traffic.objects + EXCLUDED.objects

-- name: traffic_shares
SELECT * FROM (SELECT t.code, coalesce(sum(f.bytes), 0)::bigint, coalesce(sum(f.objects), 0)::bigint,
        coalesce(sum(sum(f.bytes)) OVER (), 0)::bigint, coalesce(max(f.bytes), 0),
        coalesce((array_agg(f.hour_us ORDER BY f.bytes DESC, f.hour_us DESC))[1], 0)
    FROM tenants t LEFT JOIN traffic f ON f.tenant_id = t.id AND f.hour_us > $2 - 3600000000
    GROUP BY t.code ORDER BY 2 DESC, 1) AS s
WHERE $1::text IS NULL OR s.code = $1

-- On their way; sealed: what packs hold, less what they lost or was packed elsewhere since (lost.sql), and less what is put
-- aside; and of the copies of packs that hold something the one that was read back the longest ago.
-- name: health
SELECT (SELECT count(*) FROM instances WHERE pack IS NULL AND missing_since_us IS NULL),
    coalesce(sum(p.instances) FILTER (WHERE NOT p.is_quarantine), 0)::bigint - (SELECT count(*) FROM lost_members l
        JOIN packs o ON o.id = l.pack AND NOT o.is_quarantine JOIN instances i ON i.id = l.instance WHERE i.pack IS DISTINCT FROM l.pack),
    (SELECT count(*) FROM instances i WHERE i.is_quarantined AND NOT EXISTS (SELECT FROM aside_rejected a
        WHERE a.tenant_id = i.tenant_id AND a.object = i.object AND a.noted_at_us IS NOT NULL)), count(*) FILTER (WHERE p.lost_since_us IS NULL),
    coalesce((SELECT c.verified_at_us FROM pack_copies c
        WHERE NOT EXISTS (SELECT FROM packs o WHERE o.id = c.pack AND o.lost_since_us IS NOT NULL) ORDER BY c.verified_at_us LIMIT 1), 0),
    (SELECT count(*) FROM pack_copies WHERE doubted_at_us IS NOT NULL)
FROM packs p

-- Looked at later than now, by a clock that was ahead: now at the latest.
-- name: copies_unahead
UPDATE pack_copies SET verified_at_us = least(verified_at_us, $1), checked_at_us = least(checked_at_us, $1)
WHERE greatest(verified_at_us, checked_at_us) > $1

-- name: copy_claim
UPDATE pack_copies c SET checked_at_us = $2 FROM packs p
WHERE p.id = c.pack AND (c.pack, c.store) = (SELECT x.pack, x.store FROM pack_copies x
    WHERE greatest(x.verified_at_us, x.checked_at_us) <= $1
    ORDER BY greatest(x.verified_at_us, x.checked_at_us) LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING c.pack, c.store::integer, c.path, p.sha256, p.instances, p.lost_since_us IS NOT NULL

-- One that a reader found wrong or gone: at once, then every hour until it is mended.
-- name: copy_claim_doubted
UPDATE pack_copies c SET checked_at_us = $2 FROM packs p
WHERE p.id = c.pack AND (c.pack, c.store) = (SELECT x.pack, x.store FROM pack_copies x
    WHERE x.doubted_at_us IS NOT NULL
        AND (x.checked_at_us < x.doubted_at_us OR x.checked_at_us <= $1)
    ORDER BY x.doubted_at_us LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING c.pack, c.store::integer, c.path, p.sha256, p.instances, p.lost_since_us IS NOT NULL

-- name: copy_doubt
UPDATE pack_copies SET doubted_at_us = $3 WHERE pack = $1 AND store = $2 AND doubted_at_us IS NULL

-- name: copy_verified
UPDATE pack_copies c SET verified_at_us = $3, doubted_at_us = NULL FROM pack_copies was
WHERE c.pack = $1 AND c.store = $2 AND was.pack = c.pack AND was.store = c.store
RETURNING was.verified_at_us = 0

-- The instances of a pack that was found, now that each of its copies was read back.
-- name: pack_proven
SELECT coalesce(array_agg(i.id), '{}')::text FROM packs p JOIN instances i ON i.study = p.study AND i.pack = p.id
WHERE p.id = $1 AND NOT EXISTS (SELECT FROM pack_copies c WHERE c.pack = p.id AND c.verified_at_us = 0)

-- Of these files' names which the catalog lacks.
-- name: packs_unknown
SELECT f.sha256 FROM unnest($2::bytea[]) AS f(sha256) JOIN tenants t ON t.code = $1
WHERE NOT EXISTS (SELECT FROM packs p WHERE p.tenant_id = t.id AND p.sha256 = f.sha256)
ORDER BY f.sha256

-- name: jobs_of_objects
SELECT DISTINCT i.job FROM tenants t CROSS JOIN unnest($2::bytea[]) AS o(object)
CROSS JOIN LATERAL (SELECT * FROM instances i WHERE i.tenant_id = t.id AND i.object = o.object OFFSET 0) i
WHERE t.code = $1 AND i.pack IS NULL AND i.job IS NOT NULL ORDER BY i.job

-- A pack that was made by a catalog that is no more. These stores' ($10) copies were read back.
-- name: pack_again
WITH found AS (
    SELECT i.id, i.tenant_id, i.study, i.series, m.at FROM unnest($3::bytea[], $4::bigint[]) AS m(object, at)
    JOIN tenants t ON t.code = $1 JOIN instances i ON i.tenant_id = t.id AND i.object = m.object
    WHERE i.pack IS NULL
), pack AS (
    INSERT INTO packs (tenant_id, study, series, sha256, size, instances, revision, is_quarantine, made_at_us)
    SELECT f.tenant_id, f.study, f.series, $2, $5, cardinality($3::bytea[]), $6, $7, $8 FROM found f LIMIT 1
    RETURNING id
), copies AS (
    INSERT INTO pack_copies (pack, store, path, verified_at_us)
    SELECT pack.id, c.store, $9, CASE WHEN c.store = ANY ($10::integer[]) THEN $8::bigint ELSE 0 END
    FROM pack, generate_series(0, $11::integer - 1) AS c(store)
)
UPDATE instances i SET pack = pack.id, pack_offset = found.at, sealed_at_us = $8, job = NULL, missing_since_us = NULL
FROM pack, found WHERE i.id = found.id
RETURNING i.id
