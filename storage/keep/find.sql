-- Queries of viewers. Texts are arrays of LIKE patterns; NULL asks nothing. $29 and $30: patterns that are no patterns, for the
-- indexes. $1 is the clinic's number (tenant_number): of one with a million studies they come in the order of their index, and
-- the limit ends them. UIDs of series and instances lead to their studies by index; OFFSET 0: what else is asked of them is
-- looked up study by study.

-- name: find_studies
SELECT s.study_uid, s.patient_id, s.issuer, s.patient_name, s.birth_date, s.sex, s.age, s.study_date, s.study_time,
    s.accession, s.study_id, s.description, s.referring, s.institution, s.first_at_us,
    c.series, c.instances, c.modalities, c.sop_classes
FROM studies s
JOIN LATERAL (
    SELECT count(*) AS series, sum(e.instances)::bigint AS instances,
        coalesce(string_agg(DISTINCT e.modality, '\' ORDER BY e.modality) FILTER (WHERE e.modality <> ''), '') AS modalities,
        coalesce((SELECT string_agg(DISTINCT u, '\') FROM series x, unnest(x.sop_classes) u WHERE x.study = s.id), '') AS sop_classes
    FROM series e WHERE e.study = s.id AND e.instances > 0) c ON c.series > 0
WHERE s.tenant_id = $1
    AND ($2::text[] IS NULL OR s.patient_id LIKE ANY ($2)) AND ($29::text[] IS NULL OR s.patient_id = ANY ($29))
    AND ($3::text[] IS NULL OR s.issuer LIKE ANY ($3))
    AND ($4::text[] IS NULL OR lower(s.patient_name) LIKE ANY ($4)
        OR EXISTS (SELECT FROM unnest(string_to_array(lower(s.patient_name), '=')) g WHERE g LIKE ANY ($4)))
    AND ($5::text[] IS NULL OR s.sex LIKE ANY ($5))
    AND ($6::text IS NULL OR (s.birth_date >= $6 AND s.birth_date <> ''))
    AND ($7::text IS NULL OR (s.birth_date <= $7 AND s.birth_date <> ''))
    AND ($8::text IS NULL OR (s.study_date >= $8 AND s.study_date <> ''))
    AND ($9::text IS NULL OR (s.study_date <= $9 AND s.study_date <> ''))
    AND ($10::text IS NULL OR (s.study_time >= $10 AND s.study_time <> ''))
    AND ($11::text IS NULL OR (s.study_time <= $11 AND s.study_time <> ''))
    AND ($12::text[] IS NULL OR s.accession LIKE ANY ($12)) AND ($30::text[] IS NULL OR s.accession = ANY ($30))
    AND ($13::text[] IS NULL OR s.study_id LIKE ANY ($13))
    AND ($14::text[] IS NULL OR s.description LIKE ANY ($14))
    AND ($15::text[] IS NULL OR lower(s.referring) LIKE ANY ($15)
        OR EXISTS (SELECT FROM unnest(string_to_array(lower(s.referring), '=')) g WHERE g LIKE ANY ($15)))
    AND ($16::text[] IS NULL OR s.study_uid = ANY ($16))
    AND ($17::text[] IS NULL OR s.id = ANY (ARRAY(SELECT e.study FROM series e WHERE e.tenant_id = $1 AND e.series_uid = ANY ($17))))
    AND ($24::text[] IS NULL OR s.id = ANY (ARRAY(SELECT i.study FROM instances i
        WHERE i.tenant_id = $1 AND i.sop_instance = ANY ($24) AND NOT i.is_quarantined)))
    AND (($17::text[] IS NULL AND $18::text[] IS NULL AND $19::bigint IS NULL AND $20::text[] IS NULL
            AND $21::text[] IS NULL AND $22::text[] IS NULL AND $23::text[] IS NULL)
        OR EXISTS (SELECT FROM series e WHERE e.study = s.id AND e.instances > 0
            AND ($17::text[] IS NULL OR e.series_uid = ANY ($17))
            AND ($18::text[] IS NULL OR e.modality LIKE ANY ($18))
            AND ($19::bigint IS NULL OR e.number = $19)
            AND ($20::text[] IS NULL OR e.description LIKE ANY ($20))
            AND ($21::text[] IS NULL OR e.body_part LIKE ANY ($21))
            AND ($22::text[] IS NULL OR e.station LIKE ANY ($22))
            AND ($23::text[] IS NULL OR e.institution LIKE ANY ($23)) OFFSET 0))
    AND (($24::text[] IS NULL AND $25::text[] IS NULL AND $26::bigint IS NULL)
        OR EXISTS (SELECT FROM instances i WHERE i.study = s.id AND NOT i.is_quarantined
            AND ($24::text[] IS NULL OR i.sop_instance = ANY ($24))
            AND ($25::text[] IS NULL OR i.sop_class LIKE ANY ($25))
            AND ($26::bigint IS NULL OR i.number = $26) OFFSET 0))
ORDER BY s.study_date DESC, s.study_time DESC, s.id DESC
LIMIT $27 OFFSET $28

-- name: find_series
SELECT s.study_uid, s.patient_id, s.issuer, s.patient_name, s.birth_date, s.sex, s.age, s.study_date, s.study_time,
    s.accession, s.study_id, s.description, s.referring, s.institution, s.first_at_us,
    c.series, c.instances, c.modalities, c.sop_classes,
    e.series_uid, e.modality, e.number, e.description, e.body_part, e.series_date, e.series_time, e.station,
    e.institution, e.instances
FROM series e
JOIN studies s ON s.id = e.study
JOIN LATERAL (
    SELECT count(*) AS series, sum(e.instances)::bigint AS instances,
        coalesce(string_agg(DISTINCT e.modality, '\' ORDER BY e.modality) FILTER (WHERE e.modality <> ''), '') AS modalities,
        coalesce((SELECT string_agg(DISTINCT u, '\') FROM series x, unnest(x.sop_classes) u WHERE x.study = s.id), '') AS sop_classes
    FROM series e WHERE e.study = s.id AND e.instances > 0) c ON true
WHERE s.tenant_id = $1 AND e.tenant_id = s.tenant_id AND e.instances > 0
    AND ($2::text[] IS NULL OR s.patient_id LIKE ANY ($2)) AND ($29::text[] IS NULL OR s.patient_id = ANY ($29))
    AND ($3::text[] IS NULL OR s.issuer LIKE ANY ($3))
    AND ($4::text[] IS NULL OR lower(s.patient_name) LIKE ANY ($4)
        OR EXISTS (SELECT FROM unnest(string_to_array(lower(s.patient_name), '=')) g WHERE g LIKE ANY ($4)))
    AND ($5::text[] IS NULL OR s.sex LIKE ANY ($5))
    AND ($6::text IS NULL OR (s.birth_date >= $6 AND s.birth_date <> ''))
    AND ($7::text IS NULL OR (s.birth_date <= $7 AND s.birth_date <> ''))
    AND ($8::text IS NULL OR (s.study_date >= $8 AND s.study_date <> ''))
    AND ($9::text IS NULL OR (s.study_date <= $9 AND s.study_date <> ''))
    AND ($10::text IS NULL OR (s.study_time >= $10 AND s.study_time <> ''))
    AND ($11::text IS NULL OR (s.study_time <= $11 AND s.study_time <> ''))
    AND ($12::text[] IS NULL OR s.accession LIKE ANY ($12)) AND ($30::text[] IS NULL OR s.accession = ANY ($30))
    AND ($13::text[] IS NULL OR s.study_id LIKE ANY ($13))
    AND ($14::text[] IS NULL OR s.description LIKE ANY ($14))
    AND ($15::text[] IS NULL OR lower(s.referring) LIKE ANY ($15)
        OR EXISTS (SELECT FROM unnest(string_to_array(lower(s.referring), '=')) g WHERE g LIKE ANY ($15)))
    AND ($16::text[] IS NULL OR s.study_uid = ANY ($16))
    AND ($17::text[] IS NULL OR e.series_uid = ANY ($17))
    AND ($18::text[] IS NULL OR e.modality LIKE ANY ($18))
    AND ($19::bigint IS NULL OR e.number = $19)
    AND ($20::text[] IS NULL OR e.description LIKE ANY ($20))
    AND ($21::text[] IS NULL OR e.body_part LIKE ANY ($21))
    AND ($22::text[] IS NULL OR e.station LIKE ANY ($22))
    AND ($23::text[] IS NULL OR e.institution LIKE ANY ($23))
    AND ($24::text[] IS NULL OR e.id = ANY (ARRAY(SELECT i.series FROM instances i
        WHERE i.tenant_id = $1 AND i.sop_instance = ANY ($24) AND NOT i.is_quarantined)))
    AND (($24::text[] IS NULL AND $25::text[] IS NULL AND $26::bigint IS NULL)
        OR EXISTS (SELECT FROM instances i WHERE i.series = e.id AND NOT i.is_quarantined
            AND ($24::text[] IS NULL OR i.sop_instance = ANY ($24))
            AND ($25::text[] IS NULL OR i.sop_class LIKE ANY ($25))
            AND ($26::bigint IS NULL OR i.number = $26) OFFSET 0))
ORDER BY s.study_date DESC, s.study_time DESC, s.id DESC, e.number, e.id
LIMIT $27 OFFSET $28

-- name: find_instances
SELECT s.study_uid, s.patient_id, s.issuer, s.patient_name, s.birth_date, s.sex, s.age, s.study_date, s.study_time,
    s.accession, s.study_id, s.description, s.referring, s.institution, i.arrived_at_us,
    c.series, c.instances, c.modalities, c.sop_classes,
    e.series_uid, e.modality, e.number, e.description, e.body_part, e.series_date, e.series_time, e.station,
    e.institution, e.instances,
    i.sop_class, i.sop_instance, i.number, i.rows, i.columns, i.frames, i.bits_allocated, i.has_pixels,
    i.transfer_syntax, i.content_date, i.content_time, i.size
FROM instances i
JOIN series e ON e.id = i.series
JOIN studies s ON s.id = i.study
JOIN LATERAL (
    SELECT count(*) AS series, sum(e.instances)::bigint AS instances,
        coalesce(string_agg(DISTINCT e.modality, '\' ORDER BY e.modality) FILTER (WHERE e.modality <> ''), '') AS modalities,
        coalesce((SELECT string_agg(DISTINCT u, '\') FROM series x, unnest(x.sop_classes) u WHERE x.study = s.id), '') AS sop_classes
    FROM series e WHERE e.study = s.id AND e.instances > 0) c ON true
WHERE s.tenant_id = $1 AND i.tenant_id = s.tenant_id AND e.tenant_id = s.tenant_id AND NOT i.is_quarantined
    AND ($2::text[] IS NULL OR s.patient_id LIKE ANY ($2)) AND ($29::text[] IS NULL OR s.patient_id = ANY ($29))
    AND ($3::text[] IS NULL OR s.issuer LIKE ANY ($3))
    AND ($4::text[] IS NULL OR lower(s.patient_name) LIKE ANY ($4)
        OR EXISTS (SELECT FROM unnest(string_to_array(lower(s.patient_name), '=')) g WHERE g LIKE ANY ($4)))
    AND ($5::text[] IS NULL OR s.sex LIKE ANY ($5))
    AND ($6::text IS NULL OR (s.birth_date >= $6 AND s.birth_date <> ''))
    AND ($7::text IS NULL OR (s.birth_date <= $7 AND s.birth_date <> ''))
    AND ($8::text IS NULL OR (s.study_date >= $8 AND s.study_date <> ''))
    AND ($9::text IS NULL OR (s.study_date <= $9 AND s.study_date <> ''))
    AND ($10::text IS NULL OR (s.study_time >= $10 AND s.study_time <> ''))
    AND ($11::text IS NULL OR (s.study_time <= $11 AND s.study_time <> ''))
    AND ($12::text[] IS NULL OR s.accession LIKE ANY ($12)) AND ($30::text[] IS NULL OR s.accession = ANY ($30))
    AND ($13::text[] IS NULL OR s.study_id LIKE ANY ($13))
    AND ($14::text[] IS NULL OR s.description LIKE ANY ($14))
    AND ($15::text[] IS NULL OR lower(s.referring) LIKE ANY ($15)
        OR EXISTS (SELECT FROM unnest(string_to_array(lower(s.referring), '=')) g WHERE g LIKE ANY ($15)))
    AND ($16::text[] IS NULL OR s.study_uid = ANY ($16))
    AND ($17::text[] IS NULL OR e.series_uid = ANY ($17))
    AND ($18::text[] IS NULL OR e.modality LIKE ANY ($18))
    AND ($19::bigint IS NULL OR e.number = $19)
    AND ($20::text[] IS NULL OR e.description LIKE ANY ($20))
    AND ($21::text[] IS NULL OR e.body_part LIKE ANY ($21))
    AND ($22::text[] IS NULL OR e.station LIKE ANY ($22))
    AND ($23::text[] IS NULL OR e.institution LIKE ANY ($23))
    AND ($24::text[] IS NULL OR i.sop_instance = ANY ($24))
    AND ($25::text[] IS NULL OR i.sop_class LIKE ANY ($25))
    AND ($26::bigint IS NULL OR i.number = $26)
ORDER BY s.study_date DESC, s.study_time DESC, s.id DESC, e.number, e.id, i.number, i.id
LIMIT $27 OFFSET $28

-- name: places
SELECT s.study_uid, e.series_uid, i.sop_class, i.sop_instance, i.transfer_syntax, i.received_syntax, i.object,
    i.pixels, i.dataset, i.received, i.size, i.recipe, i.layout, i.frames, i.rows, i.columns, i.has_pixels,
    i.landing, i.has_copy, i.pack_offset, a.path, b.path, coalesce(i.pack, 0)
FROM instances i
JOIN series e ON e.id = i.series
JOIN studies s ON s.id = i.study
JOIN tenants t ON t.id = s.tenant_id
LEFT JOIN pack_copies a ON a.pack = i.pack AND a.store = 0
LEFT JOIN pack_copies b ON b.pack = i.pack AND b.store = 1
WHERE t.code = $1 AND s.study_uid = $2 AND ($3::text IS NULL OR e.series_uid = $3)
    AND ($4::text IS NULL OR i.sop_instance = $4) AND NOT i.is_quarantined AND i.missing_since_us IS NULL
ORDER BY e.number, e.id, i.number, i.id

-- It, or some of it, is on its way; or was here, and is in no file any more.
-- name: landing_exists
SELECT EXISTS (SELECT FROM landing l JOIN tenants t ON t.id = l.tenant_id
        WHERE t.code = $1 AND l.study_uid = $2 AND ($3::text IS NULL OR l.series_uid = $3)
            AND ($4::text IS NULL OR l.sop_instance = $4)),
    EXISTS (SELECT FROM instances i JOIN series e ON e.id = i.series JOIN studies s ON s.id = i.study JOIN tenants t ON t.id = i.tenant_id
        WHERE t.code = $1 AND s.study_uid = $2 AND ($3::text IS NULL OR e.series_uid = $3)
            AND ($4::text IS NULL OR i.sop_instance = $4) AND NOT i.is_quarantined AND i.missing_since_us IS NOT NULL)

-- missing: what gone_missing (gone.sql) names. What is whole here by another file is under way no more, whatever began of it.
-- name: standing
SELECT t.id, w.offered, w.looked,
    coalesce(c.whole, 0), coalesce(c.sealed, 0), coalesce(c.quarantined, 0), coalesce(s.last_at_us, 0),
    coalesce(m.revision, 0), coalesce(m.expected, 0), coalesce((SELECT sum(x.announced + cardinality(x.carried_sops)) FROM manifests x
        WHERE x.tenant_id = t.id AND x.study_uid = $2 AND NOT EXISTS (SELECT FROM manifests y WHERE y.tenant_id = x.tenant_id
            AND y.study_uid = x.study_uid AND y.source = x.source AND y.revision > x.revision)), 0),
    coalesce(c.bytes, 0) + coalesce(w.size, 0), coalesce(c.bytes, 0) + coalesce(w.have, 0),
    g.images, coalesce(g.reason, ''), coalesce(g.by_name, ''), coalesce(g.at_us, 0), coalesce(m.missing, 0)
FROM tenants t
LEFT JOIN studies s ON s.tenant_id = t.id AND s.study_uid = $2
LEFT JOIN LATERAL (SELECT count(*) AS offered, count(*) FILTER (WHERE l.is_looked) AS looked, sum(l.size)::bigint AS size,
        sum(l.have_bytes)::bigint AS have
    FROM landing l WHERE l.tenant_id = t.id AND l.study_uid = $2 AND NOT EXISTS (SELECT FROM instances i WHERE i.tenant_id = t.id
        AND i.sop_instance = l.sop_instance AND NOT i.is_quarantined AND i.study = s.id AND i.missing_since_us IS NULL)) w ON true
LEFT JOIN LATERAL (SELECT count(*) FILTER (WHERE NOT i.is_quarantined) AS whole,
        count(*) FILTER (WHERE i.pack IS NOT NULL AND NOT i.is_quarantined) AS sealed,
        count(*) FILTER (WHERE i.is_quarantined) AS quarantined, sum(i.size)::bigint AS bytes
    FROM instances i WHERE i.study = s.id AND i.way <> 'reader' AND i.missing_since_us IS NULL) c ON true
LEFT JOIN LATERAL (SELECT max(n.last) AS revision, count(DISTINCT o.sop) AS expected,
        count(DISTINCT o.sop) FILTER (WHERE NOT EXISTS (SELECT FROM instances i WHERE i.tenant_id = t.id AND i.object = o.object AND i.missing_since_us IS NULL)
            AND NOT EXISTS (SELECT FROM duplicates d JOIN instances i ON i.id = d.instance AND i.missing_since_us IS NULL
                WHERE d.tenant_id = t.id AND d.object = o.object)) AS missing
    FROM (SELECT DISTINCT ON (x.source) x.objects || x.carried_objects AS objects, x.sop_instances || x.carried_sops AS sops,
            max(x.study_revision) OVER () AS last
        FROM manifests x WHERE x.tenant_id = t.id AND x.study_uid = $2 ORDER BY x.source, x.revision DESC) n
        LEFT JOIN LATERAL (SELECT u.object, u.sop FROM unnest(n.objects, n.sops) AS u(object, sop) WHERE NOT EXISTS (SELECT FROM gone_instances g
            WHERE g.tenant_id = t.id AND g.study_uid = $2 AND g.sop_instance = u.sop AND g.until_revision IS NULL)) AS o ON true) m ON true
LEFT JOIN LATERAL (SELECT count(*) AS images, max(g.at_us) AS at_us, (array_agg(g.reason ORDER BY g.at_us DESC))[1] AS reason,
        (array_agg(g.by_name ORDER BY g.at_us DESC))[1] AS by_name
    FROM gone_instances g WHERE g.tenant_id = t.id AND g.study_uid = $2 AND g.until_revision IS NULL
        AND EXISTS (SELECT FROM manifests x WHERE x.tenant_id = t.id AND x.study_uid = $2
            AND g.sop_instance = ANY (x.sop_instances || x.carried_sops) AND NOT EXISTS (SELECT FROM manifests y
                WHERE y.tenant_id = x.tenant_id AND y.study_uid = x.study_uid AND y.source = x.source AND y.revision > x.revision))) g ON true
WHERE t.code = $1
