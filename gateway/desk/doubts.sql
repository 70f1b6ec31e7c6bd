-- name: doubt_get
SELECT d.bits, d.resolved, d.confirmed, d.confirmed_by, d.reason, d.is_corrected, d.patient_id, d.name, d.sex, d.birth, d.revision
FROM doubt d WHERE d.study = ?1

-- name: doubt_add
INSERT INTO doubt (study, bits, at_us) VALUES (?1, ?2, ?3) ON CONFLICT (study) DO UPDATE SET bits = bits | excluded.bits

-- name: doubt_others
SELECT count(*), coalesce(sum(identity = ?2), 0) FROM doubt_identity WHERE study = ?1

-- name: doubt_other_add
INSERT INTO doubt_identity (study, identity) VALUES (?1, ?2)

-- name: doubt_unconfirm
UPDATE doubt SET confirmed = confirmed & ~?2 WHERE study = ?1

-- name: doubt_resolve
UPDATE doubt SET resolved = resolved | ?2 WHERE study = ?1

-- An open question holds again what an earlier answer had settled.
-- name: doubt_unresolve
UPDATE doubt SET resolved = resolved & ~?2 WHERE study = ?1

-- name: study_is_nobodys
SELECT 1 FROM (SELECT study FROM study WHERE study = ?1 UNION SELECT study FROM doubt WHERE study = ?1) s
WHERE NOT EXISTS (SELECT 1 FROM registration r WHERE r.study = s.study AND r.study <> '')
    AND NOT EXISTS (SELECT 1 FROM registration_study j WHERE j.study = s.study)

-- name: doubt_confirm
UPDATE doubt SET confirmed = confirmed | ?2, confirmed_by = ?3, reason = ?4, confirmed_at_us = ?5 WHERE study = ?1

-- name: doubt_nobodys
UPDATE doubt SET nobody_by = ?2, nobody_reason = ?3, nobody_at_us = ?4 WHERE study = ?1

-- name: doubt_correct
UPDATE doubt SET is_corrected = ?2, patient_id = ?3, name = ?4, sex = ?5, birth = ?6 WHERE study = ?1

-- name: doubt_told
UPDATE doubt SET revision = ?2 WHERE study = ?1

-- name: doubt_owner
SELECT registration FROM registration WHERE study = ?1 AND study <> ''
UNION SELECT registration FROM registration_study WHERE study = ?1

-- ?1: since then; ?2: the bits that hold signing. What is open by them stays until a
-- person has answered, however long ago it came: clocks jump.
-- name: doubt_list
SELECT d.study, d.bits & ~d.resolved, d.confirmed, d.confirmed_by, d.confirmed_at_us, d.reason, d.is_corrected,
    coalesce(s.patient_id, d.patient_id), coalesce(s.name, d.name), coalesce(s.sex, d.sex), coalesce(s.birth, d.birth),
    coalesce(s.modality, ''),
    coalesce(s.accession, ''), coalesce(s.arrived_at_us, d.at_us),
    coalesce((SELECT r.registration FROM registration r WHERE r.study = d.study AND r.study <> ''),
        (SELECT r.registration FROM registration_study r WHERE r.study = d.study), ''),
    (SELECT count(*) FROM doubt_identity i WHERE i.study = d.study), coalesce(s.unmatched, ''), coalesce(s.near, ''),
    d.nobody_by <> '',
    coalesce((SELECT o.state FROM read o WHERE o.study IN (d.study, (SELECT r.study FROM registration_study j
        JOIN registration r ON r.registration = j.registration WHERE j.study = d.study))
        ORDER BY o.state IN ('preliminary', 'signed', 'amended') DESC, o.number = 0, o.read_id DESC LIMIT 1), '')
FROM doubt d LEFT JOIN study s ON s.study = d.study
WHERE d.rowid IN (SELECT n.rowid FROM doubt n WHERE n.at_us >= ?1
        UNION SELECT o.rowid FROM doubt o WHERE o.bits & ~o.resolved & ~o.confirmed <> 0)
    AND d.bits & ~d.resolved <> 0 AND (d.at_us >= ?1 OR d.bits & ~d.resolved & ~d.confirmed & ?2 <> 0)
ORDER BY d.bits & ~d.resolved & ~d.confirmed & ?2 <> 0 DESC, d.at_us DESC LIMIT 500

-- ?1: since then; ?2: looked at before then, so that matching had its turn. What is nobody's, nobody said that it needs nobody, and
-- nothing is open about it (what was confirmed is right, and nobody's all the same), where people are registered at all: as
-- doubt_list has it.
-- name: nobody_list
SELECT s.study, coalesce(d.bits & ~d.resolved, 0), coalesce(d.confirmed, 0), coalesce(d.confirmed_by, ''),
    coalesce(d.confirmed_at_us, 0), coalesce(d.reason, ''), coalesce(d.is_corrected, 0), s.patient_id, s.name, s.sex, s.birth,
    s.modality, s.accession, s.arrived_at_us, '', (SELECT count(*) FROM doubt_identity i WHERE i.study = s.study),
    s.unmatched, s.near, 0, ''
FROM study s LEFT JOIN doubt d ON d.study = s.study
WHERE s.arrived_at_us >= ?1 AND (s.unmatched <> '' OR s.looked_at_us < ?2)
    AND coalesce(d.bits & ~d.resolved & ~d.confirmed, 0) = 0 AND coalesce(d.nobody_by, '') = ''
    AND NOT EXISTS (SELECT 1 FROM registration r WHERE r.study = s.study AND r.study <> '')
    AND NOT EXISTS (SELECT 1 FROM registration_study j WHERE j.study = s.study)
    AND EXISTS (SELECT 1 FROM registration r WHERE r.at_us >= ?1)
ORDER BY s.arrived_at_us DESC LIMIT 500

-- name: correction_add
INSERT INTO correction (study, other_study, identity, patient_id, name, sex, birth, other_patient_id, other_name, other_sex,
    other_birth, asked_at_us, came_at_us, other_came_at_us, is_described, accession, study_date, study_time, study_number,
    description, other_accession, other_study_date, other_study_time, other_study_number, other_description)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, 1, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24)
ON CONFLICT (study, other_study, identity) DO UPDATE SET came_at_us = excluded.came_at_us, other_came_at_us = excluded.other_came_at_us,
    is_described = 1, accession = excluded.accession, study_date = excluded.study_date, study_time = excluded.study_time,
    study_number = excluded.study_number, description = excluded.description, other_accession = excluded.other_accession,
    other_study_date = excluded.other_study_date, other_study_time = excluded.other_study_time,
    other_study_number = excluded.other_study_number, other_description = excluded.other_description
WHERE came_at_us = 0 OR is_described = 0

-- name: correction_find
SELECT n, answer FROM correction WHERE study = ?1 AND other_study = ?2 AND identity = ?3

-- name: correction_get
SELECT study, other_study, other_patient_id, other_name, other_sex, other_birth, answer, answered_by FROM correction WHERE n = ?1

-- name: correction_instance_add
INSERT INTO correction_instance (entry, correction) VALUES (?1, ?2) ON CONFLICT DO NOTHING

-- name: correction_answer
UPDATE correction SET answer = ?2, answered_by = ?3, answered_at_us = ?4 WHERE n = ?1

-- name: correction_open
SELECT n FROM correction WHERE study = ?1 AND answer = ''

-- name: correction_asked
SELECT 1 FROM correction WHERE answer = '' AND (study = ?1 OR other_study = ?1) LIMIT 1

-- name: correction_list
SELECT c.n, c.study, c.other_study, c.patient_id, c.name, c.sex, c.birth, c.other_patient_id, c.other_name, c.other_sex,
    c.other_birth, c.asked_at_us, c.answer, c.answered_by, c.answered_at_us,
    (SELECT count(*) FROM correction_instance i WHERE i.correction = c.n), c.came_at_us, c.other_came_at_us,
    c.accession, c.study_date, c.study_time, c.study_number, c.description,
    c.other_accession, c.other_study_date, c.other_study_time, c.other_study_number, c.other_description
FROM correction c WHERE c.answer = '' OR c.answered_at_us >= ?1 ORDER BY c.answer <> '', c.n DESC LIMIT 200

-- name: correction_standing
SELECT study, other_study, answer, n FROM correction ORDER BY n

-- The images of what is answered.
-- name: correction_answered
SELECT i.correction, i.entry FROM correction_instance i JOIN correction c ON c.n = i.correction
WHERE c.answer <> '' ORDER BY i.correction

-- name: registration_join
INSERT INTO registration_study (study, registration, at_us) VALUES (?1, ?2, ?3)
ON CONFLICT (study) DO UPDATE SET registration = excluded.registration, at_us = excluded.at_us

-- name: registration_part
DELETE FROM registration_study WHERE study = ?1
