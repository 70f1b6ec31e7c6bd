-- A catalog of fifteen years, made up: current_setting('large.instances') instances in three studies each ten of them, of a
-- thousand clinics, one of which ("clinic-a") has a fifth of all. Its packs are not on any disk. Nothing is analyzed.
SET session_replication_role = replica; -- what refers to what is right by construction
SET synchronous_commit = off;
SET jit = off;

CREATE TEMP TABLE large AS SELECT n, n * 3 / 10 AS studies, 200 AS waiting,
    (extract(epoch FROM now()) * 1000000)::bigint AS now_us, 86400000000 AS day_us
FROM (SELECT current_setting('large.instances')::bigint) AS g(n);

INSERT INTO tenants (code, name, made_at_us) SELECT 'large-' || g, 'A clinic', 0 FROM generate_series(1, 998) g;
INSERT INTO certificates (serial, tenant_id, device, kind, fingerprint, not_after_us, made_at_us, revoked_at_us)
SELECT t.id || '/' || g, t.id, 'gate-' || t.id, 'gateway', '', l.now_us + (g - 2) * l.day_us, 0, NULL
FROM tenants t, generate_series(1, 3) g, large l;

-- Whose a patient is decides whose all else is.
INSERT INTO patients (id, tenant_id, issuer, patient_id) OVERRIDING SYSTEM VALUE
SELECT p, CASE WHEN p % 5 = 0 THEN 1 ELSE 2 + p * 7919 % 999 END, '', 'P' || p
FROM large l, generate_series(1, l.studies / 2) p;

INSERT INTO studies (id, tenant_id, study_uid, patient, patient_id, issuer, patient_name, birth_date, sex, age, study_date,
    study_time, accession, study_id, description, referring, institution, text_method, first_at_us, last_at_us)
    OVERRIDING SYSTEM VALUE
SELECT s.id, p.tenant_id, '1.2.826.0.1.3680043.9.7133.' || s.id, p.id, p.patient_id, '', 'FAMILY' || p.id % 5000 || '^GIVEN' || p.id, '19500101',
    CASE WHEN p.id % 2 = 0 THEN 'M' ELSE 'F' END, '', to_char(to_timestamp(w.at_us / 1000000), 'YYYYMMDD'), '101112',
    'A' || s.id, '1', 'CHEST', 'DR^' || p.id % 300, 'A clinic', 0, w.at_us, w.at_us
FROM large l CROSS JOIN generate_series(1, l.studies) AS s(id)
CROSS JOIN LATERAL (SELECT l.now_us - (l.studies - s.id) * (5475 * l.day_us / l.studies)) AS w(at_us)
JOIN patients p ON p.id = (s.id + 1) / 2;

INSERT INTO series (id, tenant_id, study, series_uid, modality, number, description, body_part, series_date, series_time, station,
    institution, instances, sop_classes) OVERRIDING SYSTEM VALUE
SELECT s.id, s.tenant_id, s.id, s.study_uid || '.1', (ARRAY['CT', 'DX', 'US'])[1 + s.id % 3], 1, 'AXIAL', 'CHEST', s.study_date,
    s.study_time, 'ST' || s.id % 50, 'A clinic', 3, ARRAY['1.2.840.10008.5.1.4.1.1.2']
FROM studies s JOIN patients p ON p.id = s.patient;

INSERT INTO packs (id, tenant_id, study, series, sha256, size, instances, revision, is_quarantine, made_at_us) OVERRIDING SYSTEM VALUE
SELECT s.id, s.tenant_id, s.id, s.id, sha256(('pack' || s.id)::bytea), 1600000, 3, 1, false, s.last_at_us
FROM studies s, large l WHERE s.id <= l.studies - l.waiting;
INSERT INTO pack_copies (pack, store, path, verified_at_us)
SELECT p.id, c, 'packs/' || encode(p.sha256, 'hex') || '.zip', l.now_us - p.id * 7919 % 29 * l.day_us
FROM packs p, generate_series(0, 1) c, large l;
-- Half of what waits has a job, that failed and is put off.
INSERT INTO pack_jobs (id, tenant_id, study, series, revision, is_quarantine, made_at_us, next_try_us, attempts, done_at_us)
    OVERRIDING SYSTEM VALUE
SELECT s.id, s.tenant_id, s.id, s.id, 1, false, s.last_at_us, l.now_us + 600000000, CASE WHEN p.id IS NULL THEN 1 ELSE 0 END,
    CASE WHEN p.id IS NOT NULL THEN l.now_us END
FROM studies s CROSS JOIN large l LEFT JOIN packs p ON p.id = s.id WHERE p.id IS NOT NULL OR s.id % 2 = 0;

-- Direct senders' are one study of eleven; packs that were found, one of a hundred.
INSERT INTO instances (id, tenant_id, study, series, sop_instance, sop_class, number, object, size, pixels, dataset, received,
    transfer_syntax, received_syntax, rows, columns, frames, bits_allocated, has_pixels, content_date, content_time, is_quarantined, why,
    way, device, landing, has_copy, arrived_at_us, job, pack, pack_offset, sealed_at_us, missing_since_us) OVERRIDING SYSTEM VALUE
SELECT i, s.tenant_id, s.id, s.id, s.study_uid || '.1.' || i, '1.2.840.10008.5.1.4.1.1.2', i % 4, sha256(('object' || i)::bytea), 500000,
    sha256(('pixels' || i)::bytea), sha256(('data' || i)::bytea), sha256(('received' || i)::bytea), '1.2.840.10008.1.2.4.90',
    '1.2.840.10008.1.2.1', 512, 512, 1, 16, true, s.study_date, s.study_time, i % 1000 = 7,
    CASE WHEN i % 1000 = 7 THEN 'same UID, other pixels' ELSE '' END,
    CASE WHEN p.id IS NOT NULL AND s.id % 11 = 3 THEN 'C-STORE' WHEN i % 50 = 11 AND p.id IS NOT NULL THEN 'reader' ELSE 'link' END,
    'gate-' || s.tenant_id,
    CASE WHEN p.id IS NULL OR s.id > l.studies - 3 * l.waiting THEN 'whole/' || i END, false, s.last_at_us,
    CASE WHEN p.id IS NULL AND s.id % 2 = 1 OR s.id % 100 = 43 THEN NULL ELSE s.id END, p.id, i % 4 * 500000,
    CASE WHEN p.id IS NOT NULL THEN s.last_at_us END,
    CASE WHEN p.id IS NULL AND s.id % 100 = 51 THEN l.now_us END
FROM large l CROSS JOIN generate_series(1, l.n) i CROSS JOIN LATERAL (SELECT 1 + (i - 1) * l.studies / l.n) AS g(study)
JOIN studies s ON s.id = g.study LEFT JOIN packs p ON p.id = s.id;

INSERT INTO manifests (tenant_id, study_uid, source, revision, closed_at_us, content_sha256, objects, sop_instances, received_at_us,
    complete_at_us, study_revision, announced)
SELECT s.tenant_id, s.study_uid, CASE WHEN s.id % 11 = 3 THEN '' ELSE 'gate-' || s.tenant_id END, 1, s.last_at_us,
    sha256(s.study_uid::bytea), o.objects || CASE WHEN s.id > l.studies - l.waiting THEN ARRAY[sha256('not yet'::bytea)] ELSE '{}'::bytea[] END,
    o.sops || CASE WHEN s.id > l.studies - l.waiting THEN ARRAY[s.study_uid || '.9'] ELSE '{}'::text[] END, s.last_at_us,
    CASE WHEN s.id <= l.studies - l.waiting THEN s.last_at_us END, 1, NULL
FROM (SELECT study, array_agg(object) AS objects, array_agg(sop_instance) AS sops FROM instances GROUP BY study) o
JOIN studies s ON s.id = o.study CROSS JOIN large l;

INSERT INTO receipts (seq, tenant_id, device, object, sop_instance, study_uid, pack, copies, at_us)
SELECT nextval('receipt_seq'), i.tenant_id, i.device, i.object, i.sop_instance, s.study_uid, p.sha256, 2, l.now_us
FROM large l JOIN instances i ON i.id > l.n / 2 AND i.way = 'link' AND NOT i.is_quarantined
JOIN studies s ON s.id = i.study JOIN packs p ON p.id = i.pack ORDER BY i.id;
INSERT INTO events (seq, tenant_id, kind, study_uid, at_us, detail)
SELECT nextval('event_seq'), s.tenant_id, k, s.study_uid, s.last_at_us, '{"revision":1,"instances":3,"is_late":false}'
FROM (SELECT * FROM studies ORDER BY id) s, unnest(ARRAY['study.arrived', 'study.closed', 'study.sealed']) k;

INSERT INTO duplicates (tenant_id, object, device, instance, made_at_us)
SELECT i.tenant_id, sha256(('twin' || i.id)::bytea), i.device, i.id, i.arrived_at_us FROM instances i WHERE i.id % 100 = 3;
INSERT INTO landing (tenant_id, object, device, size, study_uid, series_uid, sop_class, sop_instance, transfer_syntax, received_syntax,
    pixels, dataset, received, offered_at_us)
SELECT 1 + g % 1000, sha256(('coming' || g)::bytea), 'gate-' || 1 + g % 1000, 500000, '1.2.826.0.1.3680043.9.7134.' || g / 30,
    '1.2.826.0.1.3680043.9.7134.1.' || g / 30, '1.2.840.10008.5.1.4.1.1.2', '1.2.826.0.1.3680043.9.7134.2.' || g,
    '1.2.840.10008.1.2.1', '1.2.840.10008.1.2.1', sha256('p'), sha256('d'), sha256('r'),
    l.now_us - CASE WHEN g % 20 = 0 THEN 400 ELSE 0 END * l.day_us
FROM large l, generate_series(1, 3000) g;
INSERT INTO lost_objects (tenant_id, device, object, sop_instance, study_uid, since_us)
SELECT i.tenant_id, i.device, sha256(('lost' || i.id)::bytea), i.sop_instance || '.1', 'none', l.now_us FROM instances i, large l
WHERE i.id % 4000 = 1;
INSERT INTO gone_instances (tenant_id, study_uid, sop_instance, from_revision, reason, by_name, at_us)
SELECT s.tenant_id, s.study_uid, s.study_uid || '.8', 1, 'broken', 'Dr. A', l.now_us FROM studies s, large l WHERE s.id % 1000 = 1;
INSERT INTO reconciliations SELECT t.id, 'gate-' || t.id, l.now_us, 90, 1, 1, 0, 0, 0 FROM tenants t, large l;
INSERT INTO traffic (tenant_id, hour_us, bytes, objects)
SELECT t.id, (l.now_us / 3600000000 - h) * 3600000000, 1000000, 10 FROM large l CROSS JOIN tenants t, generate_series(0, l.n / 1400) h;

SELECT setval(pg_get_serial_sequence('patients', 'id'), l.studies), setval(pg_get_serial_sequence('studies', 'id'), l.studies),
    setval(pg_get_serial_sequence('series', 'id'), l.studies), setval(pg_get_serial_sequence('packs', 'id'), l.studies),
    setval(pg_get_serial_sequence('pack_jobs', 'id'), l.studies), setval(pg_get_serial_sequence('instances', 'id'), l.n)
FROM large l;
DROP TABLE large;
