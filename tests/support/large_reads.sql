-- A reader of years, made up: current_setting('large.reads') reads of the world of read_world.h, nearly all signed, with all that
-- was said about them. Half of them are T1's. Nothing is analyzed.
SET session_replication_role = replica;
SET synchronous_commit = off;

CREATE TEMP TABLE large AS SELECT n, 40 AS open, (extract(epoch FROM now()) * 1000000)::bigint AS now_us,
    86400000000 AS day_us FROM (SELECT current_setting('large.reads')::bigint) AS g(n);

INSERT INTO organisations (code, name, kind, parent, path, changed_at_us)
SELECT 'L' || g, 'A clinic', 'township', 'H', o.path || 'L' || g || '/', 0 FROM generate_series(1, 998) g JOIN organisations o ON o.code = 'H';
INSERT INTO agreements SELECT 'AL' || g, 1, 'L' || g, 'H', a.modalities, a.valid_from_us, a.valid_until_us, a.routine_us, a.emergency_us,
    a.may_read_alone, a.canonical, sha256(('a' || g)::bytea) FROM generate_series(1, 998) g JOIN agreements a ON a.code = 'AG1';

INSERT INTO reads (id, tenant, study_uid, state, revision, instances, whole, closed_at_us, modality, modalities, body_part, description,
    accession, study_date, study_time, issuer, patient_id, patient_name, sex, age, birth, agreement, agreement_version, due_at_us,
    assigned_to, assigned_at_us, author, reviewer, version, covered_revision, covered, registration, made_at_us, changed_at_us)
    OVERRIDING SYSTEM VALUE
SELECT r, w.tenant, '1.2.826.0.1.3680043.9.7133.' || r,
    CASE WHEN r <= l.n - l.open THEN 'signed' WHEN r % 10 = 1 THEN 'unagreed' WHEN r % 2 = 0 THEN 'assigned' ELSE 'waiting' END,
    1, 3, 3, w.at_us, 'CT', '{CT}', 'CHEST', 'CHEST', 'A' || r, '20260101', '101112', '', 'P' || r / 4, 'FAMILY' || r % 5000 || '^GIVEN' || r,
    CASE WHEN r % 8 < 4 THEN 'M' ELSE 'F' END, '', '19500101', CASE WHEN r > l.n - l.open AND r % 10 = 1 THEN NULL WHEN r % 2 = 0 THEN 'AG1'
        ELSE 'AL' || 1 + r % 998 END,
    CASE WHEN r > l.n - l.open AND r % 10 = 1 THEN NULL ELSE 1 END, w.at_us + l.day_us,
    CASE WHEN r > l.n - l.open AND r % 2 = 0 THEN 'doc1' END, 0, CASE WHEN r <= l.n - l.open THEN 'doc' || 1 + r % 2 END,
    CASE WHEN r <= l.n - l.open THEN 'rev1' END, CASE WHEN r <= l.n - l.open THEN 1 ELSE 0 END, 1, 3, 'R' || r, w.at_us, w.at_us
FROM large l CROSS JOIN generate_series(1, l.n) AS s(r)
CROSS JOIN LATERAL (SELECT CASE WHEN s.r % 2 = 0 THEN 'T1' ELSE 'L' || 1 + s.r % 998 END AS tenant,
    l.now_us - (l.n - s.r) * (5475 * l.day_us / l.n) AS at_us) w;

INSERT INTO read_events (seq, read_id, at_us, actor, event, detail)
SELECT nextval('read_event_seq'), r.id, r.closed_at_us, 'doc1', e, '{}' FROM (SELECT * FROM reads ORDER BY id) r,
    unnest(ARRAY['closed', 'agree', 'assign', 'claim', 'draft', 'write', 'review', 'sign']) e;
INSERT INTO orders (tenant, registration, study_uid, accession, patient_name, patient_id, sex, birth, complaint, history, clinic_phone,
    is_urgent, urgent_reason, changed_at_us)
SELECT r.tenant, r.registration, CASE WHEN r.id % 2 = 0 THEN r.study_uid END, r.accession, '', r.patient_id, '', '', 'cough', '', '1',
    false, '', r.closed_at_us FROM reads r;
INSERT INTO order_studies SELECT r.tenant, r.study_uid || '.9', r.registration FROM reads r WHERE r.id % 20 = 0;
INSERT INTO study_doubts (tenant, study_uid, revision, doubts, changed_at_us)
SELECT r.tenant, r.study_uid, 1, '', 0 FROM reads r WHERE r.id % 10 = 0;
INSERT INTO study_urgency SELECT r.tenant, r.study_uid, 1, false, '', '', 'desk:x', 0 FROM reads r WHERE r.id % 10 = 0;
INSERT INTO study_absent SELECT r.tenant, r.study_uid, 1, 0, '', '', '', 0 FROM reads r WHERE r.id % 50 = 0;

INSERT INTO report (read_id, base, author, reviewer, versions) SELECT r.id, 5, r.author, r.reviewer, 1 FROM reads r WHERE r.version > 0;
INSERT INTO report_history (read_id, base, at_us, actor, action, reason, exam, findings, impression)
SELECT r.read_id, g, 0, 'doc1', 'write', '', 'CT', 'nothing', 'nothing' FROM report r, generate_series(1, 2) g;
INSERT INTO report_version (read_id, version, kind, tenant, study_uid, signed_at_us, written_at_us, verify_base, signer, covers, canonical,
    sha256, manifest, agreement, cms, token, stored_at_us)
SELECT r.id, 1, 1, r.tenant, r.study_uid, r.closed_at_us, r.closed_at_us, 'https://x', 'rev1', 3, '{}', sha256(('v' || r.id)::bytea), '', '', '',
    'token' || r.id, 1 FROM reads r WHERE r.version > 0;
INSERT INTO report_document SELECT v.read_id, 1, k, v.study_uid || '.8', v.study_uid || '.8.' || k, '' FROM report_version v,
    unnest(ARRAY['pdf', 'sr']) k;
INSERT INTO report_shown (read_id, login, sop_instance, opened_at_us, proved_at_us, revision)
SELECT r.id, 'doc1', r.study_uid || '.' || g, 1, 1, 1 FROM reads r, generate_series(1, 2) g WHERE r.version > 0;
INSERT INTO looks (tenant, study, at_us, account_id, what)
SELECT r.tenant, r.study_uid, r.closed_at_us, 1, 'images' FROM reads r;

INSERT INTO clinic_registration (tenant, registration, device, revision, name, citizen_id, sex, birth, phone, clinic_phone, modality, complaint,
    history, is_urgent, reason, study, code_sha256, at_us, changed_at_us)
SELECT r.tenant, r.registration, 'desk-1', 1, r.patient_name, '', 'M', '19500101', '13800000000', '', 'CT', '', '', false, '',
    CASE WHEN r.id % 2 = 0 THEN r.study_uid ELSE '' END, sha256(('c' || r.id)::bytea), 0, 0 FROM reads r;
INSERT INTO clinic_up SELECT r.tenant, 'desk-1', 'm' || r.id || '/' || g, 'registration', 'done', '', 0 FROM reads r, generate_series(1, 2) g;
INSERT INTO clinic_down (tenant, id, kind, event_seq, read_id, version, body, at_us)
SELECT r.tenant, 'd' || r.id || '/' || g, (ARRAY['state', 'report'])[g], r.id, r.id, g - 1, '{}', 0
FROM (SELECT * FROM reads ORDER BY id) r, generate_series(1, 2) g;
INSERT INTO clinic_taken SELECT d.tenant, 'desk-1', d.id, 0 FROM clinic_down d;
INSERT INTO clinic_confirmed SELECT r.tenant, r.id, 1, 'desk-1', 0 FROM reads r WHERE r.version > 0;
INSERT INTO clinic_told SELECT r.id, r.state, r.registration, false FROM reads r;
INSERT INTO clinic_call SELECT 'd' || r.id || '/1', r.tenant, r.id, 'critical', 'call', false, 'doc1', 'Dr. A', 'H', 0 FROM reads r WHERE r.id % 20 = 0;
INSERT INTO clinic_order SELECT 'H', 'H/' || r.id, r.tenant, 'doc1', 'Dr. A', r.patient_name, 'CT', '', false, false, 'd' || r.id || '/1', r.closed_at_us
FROM reads r WHERE r.id % 20 = 0;

INSERT INTO patient_slip SELECT r.tenant, r.registration, sha256(('c' || r.id)::bytea), '138', true, r.study_uid, 0 FROM reads r;
INSERT INTO patient_look SELECT r.tenant, r.study_uid, 'report', r.closed_at_us FROM reads r;
INSERT INTO patient_message (cause, kind, phone, code, at_us, until_us, next_at_us, sent_at_us)
SELECT 'report' || ':' || r.registration, 'report', '138', '', 0, 0, NULL, 1 FROM reads r;
INSERT INTO patient_tries SELECT sha256(('t' || g)::bytea), 1, 0, l.now_us + 3600000000 FROM large l, generate_series(1, 2000) g;

SELECT setval(pg_get_serial_sequence('reads', 'id'), l.n) FROM large l;
DROP TABLE large;
