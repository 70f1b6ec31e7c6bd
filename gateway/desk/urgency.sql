-- name: urgency_get
SELECT is_stat, revision FROM study_urgency WHERE study = ?1

-- name: urgency_put
INSERT INTO study_urgency (study, is_stat, reason, by_name, side, revision, at_us) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
ON CONFLICT (study) DO UPDATE SET is_stat = excluded.is_stat, reason = excluded.reason, by_name = excluded.by_name,
    side = excluded.side, revision = excluded.revision, is_applied = 0, at_us = excluded.at_us

-- name: urgency_list
SELECT study, is_stat, reason, by_name, side, at_us, is_applied FROM study_urgency INDEXED BY study_urgency_by_time
WHERE at_us >= ?1 ORDER BY study

-- name: urgency_due
SELECT study, is_stat, reason, by_name, revision, side FROM study_urgency WHERE is_applied = 0 ORDER BY at_us LIMIT 256

-- name: urgency_done
UPDATE study_urgency SET is_applied = 1 WHERE study = ?1 AND revision = ?2

-- Studies that nobody has said anything of, of registrations that are urgent, or were until somebody took it back.
-- name: urgency_unsaid
SELECT u.study, u.why, u.urgent_by, u.is_urgent FROM (
    SELECT r.study, iif(r.is_urgent, r.reason, r.lowered) AS why, r.urgent_by, r.is_urgent FROM registration r
    WHERE (r.is_urgent OR r.lowered <> '') AND r.study <> '' AND r.at_us >= ?1
    UNION ALL
    SELECT j.study, iif(r.is_urgent, r.reason, r.lowered), r.urgent_by, r.is_urgent
    FROM registration r JOIN registration_study j ON j.registration = r.registration
    WHERE (r.is_urgent OR r.lowered <> '') AND r.at_us >= ?1) u
WHERE NOT EXISTS (SELECT 1 FROM study_urgency s WHERE s.study = u.study) LIMIT 256

-- name: urgency_studies_of
SELECT study FROM registration WHERE registration = ?1 AND study <> ''
UNION SELECT study FROM registration_study WHERE registration = ?1

-- name: urgency_owner
SELECT registration FROM registration WHERE study = ?1 AND study <> ''
UNION SELECT registration FROM registration_study WHERE study = ?1

-- name: urgency_registration_by
UPDATE registration SET urgent_by = ?2 WHERE registration = ?1 AND (urgent_by = '' OR ?3)

-- name: account_name
SELECT name FROM account WHERE login = ?1
