-- The archive's events become reads.

-- name: intake_cursor
SELECT seq, at_us FROM intake_cursor

-- name: intake_cursor_lock
SELECT seq FROM intake_cursor FOR UPDATE

-- name: intake_cursor_set
UPDATE intake_cursor SET seq = $1, at_us = $2

-- name: intake_find
SELECT r.id, r.revision, r.instances, r.state, EXISTS (SELECT FROM read_events e WHERE e.read_id = r.id AND e.event = 'whole'
    AND e.seq > coalesce((SELECT max(l.seq) FROM read_events l WHERE l.read_id = r.id AND l.event = 'late'), 0))
FROM reads r WHERE r.tenant = $1 AND r.study_uid = $2 FOR UPDATE

-- name: intake_new
INSERT INTO reads (tenant, study_uid, state, revision, instances, whole, closed_at_us, made_at_us, changed_at_us,
    modality, modalities, body_part, description, accession, study_date, study_time, issuer, patient_id, patient_name,
    sex, age, birth, reason, reason_en)
VALUES ($1, $2, 'unagreed', $3, $4, $5, $6, $7, $7, '', '{}', '', '', '', '', '', '', '', '', '', '', '', $8, $9)
RETURNING id

-- name: intake_facts
UPDATE reads SET modality = coalesce((string_to_array($2, '\'))[1], ''),
    modalities = array_remove(string_to_array($2, '\'), ''), body_part = $3, description = $4, accession = $5, study_date = $6,
    study_time = $7, issuer = $8, patient_id = $9, patient_name = $10, sex = $11, age = $12, birth = $13,
    whole = greatest(whole, least($14, instances))
WHERE id = $1

-- name: intake_late
UPDATE reads SET revision = $2, instances = $3, changed_at_us = $4,
    due_at_us = CASE WHEN state IN ('signed', 'amended') THEN $4 + coalesce((SELECT CASE WHEN reads.is_emergency
        THEN a.emergency_us ELSE a.routine_us END FROM agreements a
        WHERE a.code = reads.agreement AND a.version = reads.agreement_version), 0) ELSE due_at_us END
WHERE id = $1

-- name: intake_renumber
UPDATE reads SET revision = $2 WHERE id = $1

-- name: aside_put
INSERT INTO intake_aside (tenant, study_uid, seq, next_at_us, complete_revision) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (tenant, study_uid) DO UPDATE SET next_at_us = $4, complete_revision = greatest(intake_aside.complete_revision, $5)

-- $2: now and the longest wait; what is put off for longer was so by a clock that was ahead.
-- name: aside_due
SELECT tenant, study_uid, tries, complete_revision FROM intake_aside WHERE next_at_us <= $1 OR next_at_us > $2
ORDER BY next_at_us LIMIT 50

-- name: aside_later
UPDATE intake_aside SET tries = tries + 1, next_at_us = $3 WHERE tenant = $1 AND study_uid = $2

-- name: aside_soon
UPDATE intake_aside SET next_at_us = 0, complete_revision = greatest(complete_revision, $3) WHERE tenant = $1 AND study_uid = $2

-- name: aside_next
SELECT min(next_at_us) FROM intake_aside

-- name: aside_done
DELETE FROM intake_aside WHERE tenant = $1 AND study_uid = $2

-- name: order_lock_tenant
SELECT pg_advisory_xact_lock(7267704, hashtext($1))

-- name: order_put
INSERT INTO orders (tenant, registration, study_uid, accession, complaint, history, clinic_phone, is_urgent, urgent_reason,
    changed_at_us, patient_name, patient_id, sex, birth)
VALUES ($1, $2, nullif($3, ''), $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
ON CONFLICT (tenant, registration) DO UPDATE SET study_uid = coalesce(EXCLUDED.study_uid, orders.study_uid),
    accession = EXCLUDED.accession, complaint = EXCLUDED.complaint, history = EXCLUDED.history,
    clinic_phone = EXCLUDED.clinic_phone, is_urgent = (orders.is_urgent OR EXCLUDED.is_urgent) AND NOT $15::boolean,
    urgent_reason = CASE WHEN EXCLUDED.urgent_reason <> '' THEN EXCLUDED.urgent_reason ELSE orders.urgent_reason END,
    changed_at_us = EXCLUDED.changed_at_us, patient_name = EXCLUDED.patient_name, patient_id = EXCLUDED.patient_id,
    sex = EXCLUDED.sex, birth = EXCLUDED.birth

-- name: order_let_go
UPDATE orders SET study_uid = NULL WHERE tenant = $1 AND registration = $2

-- name: read_let_go
UPDATE reads SET registration = NULL, changed_at_us = $3 WHERE tenant = $1 AND registration = $2 AND study_uid <> $4
    AND NOT EXISTS (SELECT FROM order_studies s WHERE s.tenant = $1 AND s.registration = $2 AND s.study_uid = reads.study_uid)
RETURNING id

-- Every read that a change of the order may touch: its own, and those it may be about.
-- name: order_lock_reads
SELECT r.id FROM orders q CROSS JOIN LATERAL order_near(q) n JOIN reads r ON r.id = n.id
WHERE q.tenant = $1 AND q.registration = $2 ORDER BY r.id FOR UPDATE OF r

-- The reads an order is about: the study the desk named, or those that came with its number as Accession Number or Patient
-- ID. A study that was attached to another registration is not taken over by number; nor is one by its Accession Number
-- whose Patient ID is not the registered person's, or whose sex or birth date: the desk says whose it is (order_of_read too).
-- name: order_reads
SELECT r.id, coalesce(r.registration, '') FROM orders q CROSS JOIN LATERAL order_near(q) n JOIN reads r ON r.id = n.id
    AND (r.study_uid = q.study_uid OR EXISTS (SELECT FROM order_studies s WHERE s.tenant = q.tenant AND s.registration = q.registration AND s.study_uid = r.study_uid)
        OR (q.study_uid IS NULL AND q.accession <> '' AND q.accession IN (r.accession, r.patient_id)
        AND r.patient_id IN ('', q.accession, q.registration, q.patient_id)
        AND (q.sex NOT IN ('M', 'F') OR r.sex NOT IN ('M', 'F') OR q.sex = r.sex)
        AND (q.birth = '' OR r.birth = '' OR q.birth = r.birth)
        AND (r.registration IS NULL OR r.registration = q.registration)))
WHERE q.tenant = $1 AND q.registration = $2 ORDER BY r.id DESC LIMIT 16

-- The order a fresh read is about.
-- name: order_of_read
SELECT q.registration, q.is_urgent, q.urgent_reason FROM reads r CROSS JOIN LATERAL read_near(r) n JOIN orders q ON q.tenant = r.tenant AND q.registration = n.registration
    AND (q.study_uid = r.study_uid OR EXISTS (SELECT FROM order_studies s WHERE s.tenant = q.tenant AND s.registration = q.registration AND s.study_uid = r.study_uid)
        OR (q.study_uid IS NULL AND q.accession <> '' AND q.accession IN (r.accession, r.patient_id)
        AND r.patient_id IN ('', q.accession, q.registration, q.patient_id)
        AND (q.sex NOT IN ('M', 'F') OR r.sex NOT IN ('M', 'F') OR q.sex = r.sex)
        AND (q.birth = '' OR r.birth = '' OR q.birth = r.birth)))
WHERE r.id = $1 ORDER BY q.study_uid IS DISTINCT FROM r.study_uid, NOT EXISTS (SELECT FROM order_studies s WHERE s.tenant = q.tenant AND s.registration = q.registration AND s.study_uid = r.study_uid),
    q.changed_at_us DESC LIMIT 1

-- name: order_urgent
SELECT is_urgent, urgent_reason FROM orders WHERE tenant = $1 AND registration = $2

-- name: order_attach
UPDATE reads SET registration = $2, changed_at_us = $3 WHERE id = $1
