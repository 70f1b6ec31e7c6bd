-- name: clinic_up_begin
INSERT INTO clinic_up (tenant, device, id, kind, outcome, word, at_us)
VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING

-- name: clinic_up_find
SELECT outcome, word FROM clinic_up WHERE tenant = $1 AND device = $2 AND id = $3

-- Told by whichever box of the clinic.
-- name: clinic_up_known
SELECT EXISTS (SELECT FROM clinic_up WHERE tenant = $1 AND id = $2)

-- name: clinic_up_word
UPDATE clinic_up SET word = $4 WHERE tenant = $1 AND device = $2 AND id = $3

-- name: clinic_registration_put
INSERT INTO clinic_registration AS old (tenant, registration, device, revision, name, citizen_id, sex, birth, phone,
    clinic_phone, modality, complaint, history, is_urgent, reason, at_us, changed_at_us, identity)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)
ON CONFLICT (tenant, registration) DO UPDATE SET revision = EXCLUDED.revision, identity = EXCLUDED.identity, name = EXCLUDED.name,
    citizen_id = EXCLUDED.citizen_id, sex = EXCLUDED.sex, birth = EXCLUDED.birth, phone = EXCLUDED.phone,
    is_phone_verified = old.is_phone_verified AND old.phone = EXCLUDED.phone,
    clinic_phone = EXCLUDED.clinic_phone, modality = EXCLUDED.modality, complaint = EXCLUDED.complaint,
    history = EXCLUDED.history, is_urgent = old.is_urgent OR EXCLUDED.is_urgent,
    reason = CASE WHEN EXCLUDED.reason <> '' THEN EXCLUDED.reason ELSE old.reason END,
    changed_at_us = EXCLUDED.changed_at_us
WHERE old.device = EXCLUDED.device AND old.revision <= EXCLUDED.revision
    AND (old.identity = EXCLUDED.identity OR old.identity = '')
    AND (old.identity <> '' OR old.revision < EXCLUDED.revision OR (old.name, old.citizen_id, old.sex, old.birth) =
        (EXCLUDED.name, EXCLUDED.citizen_id, EXCLUDED.sex, EXCLUDED.birth))

-- Two people were told under a number, without identities: what is told of it from now on is of either.
-- name: clinic_registration_doubled
UPDATE clinic_registration SET identity = $4
WHERE tenant = $1 AND registration = $2 AND device = $3 AND identity = ''

-- name: clinic_registration_get
SELECT device, name, phone, is_phone_verified, clinic_phone, complaint, history, is_urgent, reason, study, code_sha256,
    citizen_id, sex, birth, revision, identity
FROM clinic_registration WHERE tenant = $1 AND registration = $2 FOR UPDATE

-- The rows an attachment may change, in one order and before the tenant's lock, as whoever changes one row takes them.
-- name: clinic_registration_lock
SELECT registration FROM clinic_registration WHERE tenant = $1 AND (registration = $2 OR (study = $3 AND study <> ''))
ORDER BY registration FOR UPDATE

-- name: clinic_registration_of_study
SELECT registration, name FROM clinic_registration WHERE tenant = $1 AND study = $2

-- name: clinic_registration_attach
UPDATE clinic_registration SET study = $3, changed_at_us = $4 WHERE tenant = $1 AND registration = $2

-- name: clinic_registration_urgent
UPDATE clinic_registration SET is_urgent = $5, reason = $3, changed_at_us = $4
WHERE tenant = $1 AND registration = $2

-- name: clinic_registration_slip
UPDATE clinic_registration SET code_sha256 = $3, changed_at_us = $4 WHERE tenant = $1 AND registration = $2

-- name: clinic_registration_phone
UPDATE clinic_registration SET phone = $3, is_phone_verified = true, changed_at_us = $4
WHERE tenant = $1 AND registration = $2

-- name: clinic_down_put
INSERT INTO clinic_down (tenant, id, kind, event_seq, read_id, version, body, at_us)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING seq

-- With the answer, of a call that has one by now.
-- name: clinic_down_after
SELECT m.seq, m.body, c.outcome, c.answer, c.answered_by, c.answered_at_us
FROM clinic_down m LEFT JOIN clinic_call c ON c.id = m.id AND c.tenant = m.tenant
WHERE m.tenant = $1 AND m.seq > $2 ORDER BY m.seq LIMIT $3

-- Did this clinic have message $3 ("": whichever it was) at $2? And the newest that this device of it is known to have: it has
-- all before that, and may miss what comes after.
-- name: clinic_down_known
WITH k AS MATERIALIZED (SELECT EXISTS (SELECT FROM clinic_down m
    WHERE m.tenant = $1 AND m.seq = $2 AND $3::text IN ('', m.id)) AS is_known)
SELECT k.is_known, CASE WHEN k.is_known THEN 0 ELSE coalesce((SELECT m.seq FROM clinic_down m WHERE m.tenant = $1
    AND EXISTS (SELECT FROM clinic_taken t WHERE t.tenant = $1 AND t.device = $4 AND t.id = m.id)
    ORDER BY m.seq DESC LIMIT 1), 0) END
FROM k

-- name: clinic_down_latest
SELECT coalesce(max(seq), 0) FROM clinic_down

-- name: clinic_taken_put
INSERT INTO clinic_taken (tenant, device, id, at_us)
SELECT tenant, $2, id, $4 FROM clinic_down WHERE tenant = $1 AND id = $3 ON CONFLICT DO NOTHING

-- name: clinic_taken_report
SELECT m.read_id, m.version FROM clinic_down m
WHERE m.tenant = $1 AND m.id = $2 AND m.kind IN ('report', 'amended')
    AND 1 = (SELECT count(*) FROM clinic_taken t WHERE t.tenant = m.tenant AND t.id = m.id)

-- name: clinic_confirmed_put
INSERT INTO clinic_confirmed (tenant, read_id, version, device, at_us)
VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING

-- name: clinic_courier_lock
SELECT seq FROM clinic_courier FOR UPDATE

-- name: clinic_courier_read
SELECT seq FROM clinic_courier

-- name: clinic_courier_set
UPDATE clinic_courier SET seq = $1

-- name: clinic_told_find
SELECT state, registration, is_urgent FROM clinic_told WHERE read_id = $1

-- name: clinic_told_put
INSERT INTO clinic_told (read_id, state, registration, is_urgent) VALUES ($1, $2, $3, $4)
ON CONFLICT (read_id) DO UPDATE SET state = EXCLUDED.state, registration = EXCLUDED.registration,
    is_urgent = EXCLUDED.is_urgent

-- name: clinic_aside_put
INSERT INTO clinic_aside (event_seq, tries, next_at_us) VALUES ($1, 1, $2)
ON CONFLICT (event_seq) DO UPDATE SET tries = clinic_aside.tries + 1, next_at_us = EXCLUDED.next_at_us

-- $2: when what is put aside now is due; later: the clock was ahead.
-- name: clinic_aside_due
SELECT event_seq FROM clinic_aside WHERE next_at_us <= $1 OR next_at_us > $2 ORDER BY event_seq LIMIT 16

-- name: clinic_aside_find
SELECT FROM clinic_aside WHERE event_seq = $1

-- name: clinic_aside_remove
DELETE FROM clinic_aside WHERE event_seq = $1

-- name: clinic_notice_due_put
INSERT INTO clinic_notice_due (read_id, version, tenant, study) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING

-- name: clinic_notice_due_list
SELECT read_id, version, tenant, study FROM clinic_notice_due ORDER BY read_id, version LIMIT 64

-- name: clinic_notice_due_remove
DELETE FROM clinic_notice_due WHERE read_id = $1 AND version = $2

-- name: clinic_call_put
INSERT INTO clinic_call (id, tenant, read_id, kind, words, is_on_preview, login, name, hospital, at_us)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT (id) DO NOTHING

-- name: clinic_call_is
SELECT read_id = $2 AND kind = $3 AND words = $4 AND login = $5 FROM clinic_call WHERE id = $1

-- name: clinic_call_find
SELECT kind, words, is_on_preview, name, hospital, outcome, answer, answered_by, answered_at_us FROM clinic_call WHERE tenant = $1 AND id = $2

-- name: clinic_call_answer
WITH was AS (SELECT id, outcome FROM clinic_call WHERE tenant = $1 AND id = $2 FOR UPDATE)
UPDATE clinic_call c SET
    outcome = CASE WHEN was.outcome = '' THEN $3 ELSE c.outcome END,
    answer = CASE WHEN was.outcome = '' THEN $4 ELSE c.answer END,
    answered_by = CASE WHEN was.outcome = '' THEN $5 ELSE c.answered_by END,
    answered_at_us = CASE WHEN was.outcome = '' THEN $6 ELSE c.answered_at_us END
FROM was WHERE c.id = was.id RETURNING c.read_id, was.outcome = ''

-- name: clinic_call_list
SELECT c.id, c.kind, c.words, c.is_on_preview, c.login, c.name, c.at_us,
    coalesce((SELECT min(t.at_us) FROM clinic_taken t WHERE t.tenant = c.tenant AND t.id = c.id), 0),
    c.outcome, c.answer, c.answered_by, c.answered_at_us
FROM clinic_call c WHERE c.read_id = $1 ORDER BY c.at_us, c.id

-- Does an agreement in force invite an organisation of this doctor's to read for this clinic? Their first such one orders.
-- name: clinic_order_may
SELECT f.org, o.name FROM agreements a JOIN affiliations f ON f.org = a.invited JOIN doctors d ON d.login = f.login
JOIN organisations o ON o.code = f.org
WHERE a.inviting = $1 AND f.login = $2 AND a.valid_from_us <= $3 AND $3 < a.valid_until_us
    AND d.valid_from_us <= $3 AND $3 < d.valid_until_us
    AND NOT EXISTS (SELECT FROM agreements n WHERE n.code = a.code AND n.version > a.version
        AND n.valid_from_us <= $3 AND $3 < n.valid_until_us)
ORDER BY f.place LIMIT 1

-- Whose an order is that one of this doctor's organisations placed under this number.
-- name: clinic_order_known
SELECT c.org, coalesce(o.name, c.org) FROM clinic_order c JOIN affiliations f ON f.org = c.org
LEFT JOIN organisations o ON o.code = c.org
WHERE c.tenant = $1 AND f.login = $2 AND c.placer = f.org || '/' || $3 ORDER BY f.place LIMIT 1

-- name: clinic_order_number
SELECT -nextval('clinic_order_seq')

-- A number is one clinic's: nobody's order moves to another by being told again.
-- name: clinic_order_put
INSERT INTO clinic_order AS old (org, placer, tenant, login, name, patient, modality, description, is_urgent, is_cancelled,
    message, at_us)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
ON CONFLICT (org, placer) DO UPDATE SET login = EXCLUDED.login, name = EXCLUDED.name,
    patient = CASE WHEN EXCLUDED.is_cancelled THEN old.patient ELSE EXCLUDED.patient END,
    modality = CASE WHEN EXCLUDED.is_cancelled THEN old.modality ELSE EXCLUDED.modality END,
    description = CASE WHEN EXCLUDED.is_cancelled THEN old.description ELSE EXCLUDED.description END,
    is_urgent = CASE WHEN EXCLUDED.is_cancelled THEN old.is_urgent ELSE EXCLUDED.is_urgent END,
    is_cancelled = EXCLUDED.is_cancelled, message = EXCLUDED.message, at_us = EXCLUDED.at_us
WHERE old.tenant = EXCLUDED.tenant

-- name: clinic_order_list
SELECT c.placer, c.tenant, coalesce(o.name, c.tenant), c.login, c.name, c.patient, c.modality, c.description, c.is_urgent,
    c.is_cancelled, c.at_us,
    coalesce((SELECT min(t.at_us) FROM clinic_taken t WHERE t.tenant = c.tenant AND t.id = c.message), 0)
FROM (SELECT c.* FROM affiliations f
    CROSS JOIN LATERAL (SELECT * FROM clinic_order o WHERE o.org = f.org ORDER BY o.at_us DESC LIMIT $2) c
    WHERE f.login = $1 ORDER BY c.at_us DESC LIMIT $2) c LEFT JOIN organisations o ON o.code = c.tenant ORDER BY c.at_us DESC

-- A desk calls twice a minute: what is new is noted, and that it calls once in five.
-- name: clinic_gateway_heard
INSERT INTO clinic_gateway AS g (tenant, device, parts, heard_at_us, box)
SELECT $1::text, $2::text, $3::text, $4::bigint, $5::text
WHERE NOT EXISTS (SELECT FROM clinic_gateway WHERE tenant = $1::text AND device = $2::text AND $5::text IN ('', box)
    AND parts IS NOT DISTINCT FROM $3::text AND heard_at_us BETWEEN $4::bigint - 299999999 AND $4::bigint)
ON CONFLICT (tenant, device) DO UPDATE SET parts = EXCLUDED.parts, heard_at_us = EXCLUDED.heard_at_us,
    box = CASE WHEN EXCLUDED.box = '' THEN g.box ELSE EXCLUDED.box END,
    box_before = CASE WHEN EXCLUDED.box IN ('', g.box) THEN g.box_before ELSE g.box END,
    turns = CASE WHEN EXCLUDED.box IN ('', g.box) THEN g.turns WHEN EXCLUDED.box = g.box_before THEN least(g.turns + 1, 1000)
        ELSE 0 END,
    turned_at_us = CASE WHEN EXCLUDED.box NOT IN ('', g.box) AND EXCLUDED.box = g.box_before THEN EXCLUDED.heard_at_us
        ELSE g.turned_at_us END
RETURNING turns, turned_at_us = heard_at_us

-- Of an organisation and all below it, heard since $2; two boxes that took turns $3 times, and did so since $4.
-- name: clinic_gateway_list
SELECT g.tenant, o.name, g.device, g.parts, g.heard_at_us, g.turns >= $3::integer AND g.turned_at_us > $4
FROM organisations s JOIN organisations o ON starts_with(o.path, s.path) JOIN clinic_gateway g ON g.tenant = o.code
WHERE s.code = $1 AND g.heard_at_us > $2 ORDER BY o.path, g.device
