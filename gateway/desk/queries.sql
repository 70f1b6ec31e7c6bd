-- name: setting_get
SELECT value FROM setting WHERE key = ?1

-- name: setting_set
INSERT INTO setting (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = excluded.value

-- name: registration_add
INSERT INTO registration (registration, at_us, changed_at_us, revision, name, citizen_id, sex, birth, phone, modality,
    complaint, history, is_urgent, reason, identity)
VALUES (?1, ?2, ?2, 1, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)

-- name: registration_identity
SELECT identity FROM registration WHERE registration = ?1

-- name: registration_change
UPDATE registration SET changed_at_us = ?2, revision = revision + 1, name = ?3, citizen_id = ?4, sex = ?5, birth = ?6,
    is_phone_verified = is_phone_verified AND phone = ?7, phone = ?7, modality = ?8, complaint = ?9, history = ?10,
    is_urgent = is_urgent OR (?11 AND lowered = ''), reason = CASE WHEN ?12 <> '' THEN ?12 ELSE reason END
WHERE registration = ?1

-- name: registration_get
SELECT r.registration, r.at_us, r.changed_at_us, r.revision, r.name, r.citizen_id, r.sex, r.birth, r.phone,
    r.is_phone_verified, r.modality, r.complaint, r.history, r.is_urgent, r.reason, r.study, r.attached_by, r.slip_at_us,
    coalesce((SELECT d.state FROM read d WHERE d.study = r.study AND r.study <> '' ORDER BY d.number = 0, d.read_id DESC LIMIT 1), ''),
    (SELECT count(*) FROM outbox o WHERE o.registration = r.registration AND o.outcome = ''),
    coalesce((SELECT o.kind || ' ' || o.word FROM outbox o
        WHERE o.registration = r.registration AND o.outcome = 'refused' ORDER BY o.n DESC LIMIT 1), ''),
    coalesce((SELECT CASE o.outcome WHEN '' THEN 'unsent' ELSE o.word END FROM outbox o
        WHERE o.registration = r.registration AND o.kind IN ('phone_code', 'phone_check') ORDER BY o.n DESC LIMIT 1), '')
FROM registration r WHERE r.registration = ?1

-- The newest, and whose the newest studies are, so that the page can name them.
-- name: registration_list
SELECT r.registration, r.at_us, r.changed_at_us, r.revision, r.name, r.citizen_id, r.sex, r.birth, r.phone,
    r.is_phone_verified, r.modality, r.complaint, r.history, r.is_urgent, r.reason, r.study, r.attached_by, r.slip_at_us,
    coalesce((SELECT d.state FROM read d WHERE d.study = r.study AND r.study <> '' ORDER BY d.number = 0, d.read_id DESC LIMIT 1), ''),
    (SELECT count(*) FROM outbox o WHERE o.registration = r.registration AND o.outcome = ''),
    coalesce((SELECT o.kind || ' ' || o.word FROM outbox o
        WHERE o.registration = r.registration AND o.outcome = 'refused' ORDER BY o.n DESC LIMIT 1), ''),
    coalesce((SELECT CASE o.outcome WHEN '' THEN 'unsent' ELSE o.word END FROM outbox o
        WHERE o.registration = r.registration AND o.kind IN ('phone_code', 'phone_check') ORDER BY o.n DESC LIMIT 1), '')
FROM registration r WHERE r.registration IN (
    SELECT registration FROM (SELECT registration FROM registration ORDER BY at_us DESC, registration DESC LIMIT ?1)
    UNION SELECT coalesce((SELECT a.registration FROM registration a WHERE a.study = s.study AND a.study <> ''),
        (SELECT j.registration FROM registration_study j WHERE j.study = s.study))
    FROM (SELECT study FROM study ORDER BY arrived_at_us DESC LIMIT ?2) s)
ORDER BY r.at_us DESC, r.registration DESC

-- name: registration_count
SELECT count(*) FROM registration

-- name: registration_of_study
SELECT registration, attached_by FROM registration WHERE study = ?1 AND study <> ''

-- name: registration_attach
UPDATE registration SET study = ?2, attached_by = ?3, changed_at_us = ?4 WHERE registration = ?1

-- name: registration_detach_study
UPDATE registration SET study = '', attached_by = '', changed_at_us = ?3 WHERE study = ?1 AND study <> '' AND registration <> ?2

-- name: registration_urgent
UPDATE registration SET is_urgent = 1, lowered = '', reason = ?2, changed_at_us = ?3 WHERE registration = ?1

-- name: registration_lower
UPDATE registration SET is_urgent = 0, lowered = ?2, changed_at_us = ?3 WHERE registration = ?1

-- name: registration_slip
UPDATE registration SET slip_at_us = ?2, slip_sha256 = ?3 WHERE registration = ?1

-- name: registration_phone_proved
UPDATE registration SET is_phone_verified = 1 WHERE registration = ?1 AND phone = ?2

-- name: registration_phone_unproved
UPDATE registration SET is_phone_verified = 0 WHERE registration = ?1 AND phone = ?2

-- An order that gave up its number (order_retire) yields to who bears its accession number now.
-- name: registration_candidates
WITH told AS (SELECT registration FROM orders WHERE study = ?3)
SELECT r.registration, r.study, r.citizen_id, coalesce(n.patient_id, ''), coalesce(n.pinyin, ''), r.name, r.sex, r.birth
FROM registration r LEFT JOIN orders n ON n.number = (SELECT max(m.number) FROM orders m WHERE m.registration = r.registration)
WHERE r.registration IN (?1, ?2) OR r.registration IN (SELECT t.registration FROM told t)
    OR (NOT EXISTS (SELECT 1 FROM told) AND ?2 <> ''
        AND r.registration IN (SELECT o.registration FROM orders o WHERE o.accession <> '' AND upper(o.accession) = ?2
            AND o.scheduled_at_us >= ?4
            AND (instr(o.placer, char(10)) = 0 OR NOT EXISTS (SELECT 1 FROM orders l WHERE upper(l.accession) = ?2
                AND l.scheduled_at_us >= ?4 AND instr(l.placer, char(10)) = 0))))

-- name: registration_of_citizen
SELECT registration, modality FROM registration WHERE citizen_id = ?1 AND citizen_id <> '' AND study = '' AND at_us >= ?2

-- Is somebody but ?5 known by this citizen number or Patient ID (as who_number() leaves it)?
-- name: registration_has_number
SELECT 1 FROM registration r WHERE ?1 <> '' AND r.citizen_id = ?1 AND r.at_us >= ?2 AND r.registration <> ?5
UNION ALL SELECT 1 FROM orders o WHERE o.scheduled_at_us >= ?4 AND o.registration <> ?5
    AND ?3 <> '' AND ltrim(upper(replace(o.patient_id, ' ', '')), '0') = ?3
LIMIT 1

-- name: outbox_add
INSERT INTO outbox (id, kind, registration, body, made_at_us) VALUES (?1, ?2, ?3, ?4, ?5)

-- Nothing is postponed for more than a minute: what seems to be is due, the clock was set back. Both places say the same.
-- name: outbox_due
SELECT o.n, o.body FROM outbox o
WHERE o.outcome = '' AND (o.next_at_us <= ?1 OR o.next_at_us > ?1 + 120000000) AND NOT EXISTS (
    SELECT 1 FROM outbox e WHERE e.outcome = '' AND e.registration = o.registration
        AND o.registration <> '' AND e.n < o.n AND e.next_at_us > ?1 AND e.next_at_us <= ?1 + 120000000)
ORDER BY o.n LIMIT ?2

-- name: outbox_counts
SELECT (SELECT count(*) FROM outbox WHERE outcome = ''), (SELECT count(*) FROM outbox WHERE outcome = 'refused')

-- name: outbox_find
SELECT kind, registration, body, outcome, word FROM outbox WHERE id = ?1

-- The body of what was done stays: a reader's database that is put back is told it again. A code is asked for once.
-- name: outbox_settle
UPDATE outbox SET outcome = ?2, word = ?3, done_at_us = ?4,
    body = CASE WHEN ?2 = 'done' AND kind <> 'phone_code' AND (kind <> 'phone_check' OR ?3 = 'verified') THEN body ELSE '' END
WHERE id = ?1 AND outcome = ''

-- In their order, under their own ids: what the database has is not done again. word stays: what was verified may be so no more.
-- name: outbox_again
UPDATE outbox SET outcome = '', tries = 0, next_at_us = 0 WHERE outcome = 'done' AND body <> ''

-- name: outbox_postpone
UPDATE outbox SET tries = tries + 1, next_at_us = ?2 + min(60000000, 500000 << min(tries, 7)) WHERE id = ?1 AND outcome = ''

-- name: outbox_drop
DELETE FROM outbox WHERE id = ?1 AND outcome = ''

-- name: outbox_clean
DELETE FROM outbox WHERE outcome <> '' AND done_at_us < ?1

-- name: inbox_add
INSERT INTO inbox (id, seq, kind, read_id, version, at_us) VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING

-- Taken before: its receipt is due again.
-- name: inbox_again
UPDATE inbox SET is_receipted = 0 WHERE id = ?1

-- name: inbox_due
SELECT i.id FROM inbox i WHERE i.is_receipted = 0 AND (i.kind NOT IN ('report', 'amended') OR EXISTS (
    SELECT 1 FROM report r WHERE r.read_id = i.read_id AND r.version = i.version AND r.pdf_sha256 <> ''))
ORDER BY i.seq LIMIT ?1

-- name: inbox_receipted
UPDATE inbox SET is_receipted = 1 WHERE id = ?1

-- name: inbox_clean
DELETE FROM inbox WHERE is_receipted = 1 AND at_us < ?1

-- A clinic's study has one read, a number is one study's, and a version is signed once: what is here and contradicts it is of
-- a database that the reader has no more.
-- name: read_part
UPDATE read SET number = 0 WHERE (number = ?1 AND study <> ?2) OR (study = ?2 AND number NOT IN (0, ?1))
    OR (number = ?1 AND EXISTS (SELECT 1 FROM report p WHERE p.read_id = read.read_id AND p.version = ?3
        AND p.signed_at_us <> 0 AND ?4 NOT IN (0, p.signed_at_us)))

-- What a read that the reader numbers so is called here: as there, or, where that is taken, by a number that no reader gives.
-- name: read_of_number
SELECT coalesce((SELECT read_id FROM read WHERE number = ?1),
    (SELECT max(4503599627370496, (SELECT max(read_id) FROM read)) + 1 FROM read WHERE read_id = ?1), ?1)

-- name: read_source
SELECT number, study FROM read WHERE read_id = ?1

-- name: read_put
INSERT INTO read (read_id, seq, study, registration, patient, modality, state, changed_at_us, number)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
ON CONFLICT (read_id) DO UPDATE SET seq = excluded.seq, study = excluded.study,
    registration = CASE WHEN excluded.registration <> '' THEN excluded.registration ELSE registration END,
    patient = CASE WHEN excluded.patient <> '' THEN excluded.patient ELSE patient END,
    modality = excluded.modality, state = excluded.state, changed_at_us = excluded.changed_at_us

-- name: report_put
INSERT INTO report (read_id, version, is_preliminary, signed_at_us, author, reviewer, hospital, verify_url, covers, present,
    standing, reason, received_at_us, replaces)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, 'valid', ?11, ?12, ?13)
ON CONFLICT (read_id, version) DO UPDATE SET is_preliminary = excluded.is_preliminary,
    signed_at_us = excluded.signed_at_us, author = excluded.author, reviewer = excluded.reviewer,
    hospital = excluded.hospital, verify_url = excluded.verify_url, covers = excluded.covers, present = excluded.present

-- name: report_replace
UPDATE report SET standing = CASE WHEN standing = 'valid' THEN 'amended' ELSE standing END, superseded_by = ?2,
    is_pdf_wanted = 1, pdf_next_at_us = 0
WHERE read_id = ?1 AND version < ?2 AND superseded_by < ?2

-- name: report_is_replaced
UPDATE report SET standing = 'amended', superseded_by = (SELECT max(l.version) FROM report l WHERE l.read_id = ?1)
WHERE read_id = ?1 AND version = ?2 AND standing = 'valid'
    AND EXISTS (SELECT 1 FROM report l WHERE l.read_id = ?1 AND l.version > ?2)

-- A new report of a study replaces what a database signed that is gone.
-- name: report_part
UPDATE report SET standing = 'amended' WHERE standing = 'valid'
    AND read_id IN (SELECT d.read_id FROM read d WHERE d.study = ?1 AND d.number = 0)

-- name: report_withdraw
INSERT INTO report (read_id, version, is_preliminary, signed_at_us, author, reviewer, hospital, verify_url, covers, present,
    standing, reason, received_at_us)
VALUES (?1, ?2, 0, 0, '', '', '', '', 0, 0, 'withdrawn', ?3, ?4)
ON CONFLICT (read_id, version) DO UPDATE SET standing = 'withdrawn', reason = excluded.reason, is_pdf_wanted = 1,
    pdf_next_at_us = 0, confirmed_at_us = 0

-- name: report_late
UPDATE report SET covers = ?3, present = ?4, looked_at_us = ?5, looked_by = ?6, looked_reason = ?7 WHERE read_id = ?1 AND version = ?2

-- name: report_get
SELECT pdf_sha256, pdf_size, confirmed_at_us FROM report WHERE read_id = ?1 AND version = ?2

-- Reads with a version that nobody confirmed, or that was on no printer, come first, however old they are: in the order of
-- report_place_order, so that nothing is sorted.
-- name: report_list
SELECT p.read_id, p.version, p.is_preliminary, p.signed_at_us, p.author, p.reviewer, p.hospital, p.verify_url, p.covers,
    p.present, p.standing, p.superseded_by, p.reason, p.received_at_us, p.confirmed_at_us, p.pdf_sha256 <> '', d.study,
    coalesce((SELECT r.registration FROM registration r WHERE r.study = d.study AND r.study <> ''), d.registration, ''),
    coalesce((SELECT r.name FROM registration r WHERE r.study = d.study AND r.study <> ''), d.patient, ''),
    d.modality, d.state,
    p.replaces, p.looked_at_us, p.looked_by, p.looked_reason,
    coalesce((SELECT max(i.at_us) FROM report_print i
        WHERE i.read_id = p.read_id AND i.version = p.version AND i.is_back = 0), 0)
FROM report_place k CROSS JOIN report p ON p.read_id = k.read_id LEFT JOIN read d ON d.read_id = k.read_id
ORDER BY k.due > 0 DESC, k.at_us DESC, k.read_id DESC, p.version DESC
LIMIT ?1 OFFSET ?2

-- name: report_counts
SELECT reports, unconfirmed, unprinted FROM report_tally

-- Never later than in ten seconds, but for a clock that was set back.
-- name: report_pdf_due
UPDATE report SET pdf_next_at_us = max(pdf_next_at_us, 1) WHERE (read_id, version) = (
    SELECT p.read_id, p.version FROM report p JOIN read d ON d.read_id = p.read_id AND d.number <> 0
    WHERE p.is_pdf_wanted = 1 AND (p.pdf_next_at_us <= ?1 OR p.pdf_next_at_us > ?1 + 20000000)
    ORDER BY p.received_at_us LIMIT 1)
RETURNING read_id, version

-- name: report_pdf_put
UPDATE report SET pdf_sha256 = ?3, pdf_size = ?4, is_pdf_wanted = (pdf_next_at_us = 0), pdf_tries = 0
WHERE read_id = ?1 AND version = ?2

-- name: report_pdf_failed
UPDATE report SET pdf_tries = pdf_tries + 1, pdf_next_at_us = ?3 + min(10000000, 500000 << min(pdf_tries, 7))
WHERE read_id = ?1 AND version = ?2

-- name: report_pdf_lost
UPDATE report SET pdf_sha256 = '', is_pdf_wanted = 1, pdf_next_at_us = 0 WHERE read_id = ?1 AND version = ?2

-- name: report_confirm
UPDATE report SET confirmed_at_us = ?3 WHERE read_id = ?1 AND version = ?2 AND confirmed_at_us = 0

-- name: notice_add
INSERT INTO notice (id, at_us, registration, words) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING

-- name: notice_list
SELECT id, at_us, registration, words FROM notice ORDER BY at_us DESC LIMIT ?1

-- name: study_find
SELECT looked_at_us FROM study WHERE study = ?1

-- name: study_put
INSERT INTO study (study, patient_id, accession, name, sex, birth, modality, arrived_at_us, looked_at_us)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
ON CONFLICT (study) DO NOTHING

-- ?2: a JSON array of studies, however long ago they came.
-- name: study_list
SELECT s.study, s.patient_id, s.accession, s.name, s.sex, s.birth, coalesce(p.registration, ''), s.unmatched, s.near,
    s.arrived_at_us, coalesce(p.name, ''), coalesce(p.sex, ''), coalesce(p.birth, ''),
    coalesce((SELECT o.pinyin FROM orders o WHERE o.registration = p.registration ORDER BY o.number DESC LIMIT 1), ''),
    coalesce((SELECT d.state FROM read d WHERE p.registration <> '' AND d.study IN (s.study, p.study)
        ORDER BY d.state IN ('preliminary', 'signed', 'amended') DESC, d.number = 0, d.read_id DESC LIMIT 1), '')
FROM study s LEFT JOIN registration p ON p.registration =
    coalesce((SELECT r.registration FROM registration r WHERE r.study = s.study AND r.study <> ''),
        (SELECT j.registration FROM registration_study j WHERE j.study = s.study))
WHERE s.study IN (SELECT study FROM study WHERE arrived_at_us >= ?1 UNION SELECT value FROM json_each(?2)) ORDER BY s.study

-- name: study_unmatched_why
UPDATE study SET unmatched = ?2, near = ?3 WHERE study = ?1

-- The newest 500, in the order in which they came: what nobody attaches keeps no later one from its patient.
-- name: study_unmatched
SELECT * FROM (SELECT s.study, s.patient_id, s.accession, s.modality, s.arrived_at_us, s.name, s.sex, s.birth, s.unmatched, s.near FROM study s
WHERE s.arrived_at_us >= ?1 AND NOT EXISTS (SELECT 1 FROM registration r WHERE r.study = s.study AND r.study <> '')
    AND NOT EXISTS (SELECT 1 FROM registration_study j WHERE j.study = s.study)
ORDER BY s.arrived_at_us DESC LIMIT 500) ORDER BY arrived_at_us

-- One message of several in a turn: what it did is taken back, the others' is not.
-- name: one_begin
SAVEPOINT one

-- name: one_undo
ROLLBACK TO one

-- name: one_end
RELEASE one
