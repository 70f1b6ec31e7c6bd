-- Images that were announced and will not come: absences.h.

-- name: absence_missing
SELECT coalesce(sum(missing), 0), coalesce(sum(turn), 0) FROM announced WHERE study = ?1

-- name: absence_lost
UPDATE expected SET is_here = 0, is_looked = 1 WHERE study = ?1 AND instance = ?2 AND is_here = 1

-- name: absence_of_instance
SELECT is_absent FROM expected WHERE study = ?1 AND instance = ?2

-- name: absence_put
INSERT INTO absence (study, reason, words, by_name, at_us) VALUES (?1, ?2, ?3, ?4, ?5)
ON CONFLICT (study) DO UPDATE SET reason = excluded.reason, words = excluded.words, by_name = excluded.by_name,
    at_us = excluded.at_us, is_told = 0

-- name: absence_all
UPDATE expected SET is_absent = 1 WHERE study = ?1 AND is_here = 0 AND is_absent = 0

-- name: absence_none
UPDATE expected SET is_absent = 0 WHERE study = ?1 AND is_absent = 1

-- name: absence_list
SELECT b.study, a.absent, b.reason, b.words, b.by_name, b.at_us, a.turn FROM announced a JOIN absence b ON b.study = a.study
WHERE a.absent > 0 ORDER BY b.study

-- name: absence_untold
SELECT b.study, a.absent, b.reason, b.words, b.by_name, b.revision,
    coalesce((SELECT r.registration FROM registration r WHERE r.study = b.study AND r.study <> ''
        UNION SELECT j.registration FROM registration_study j WHERE j.study = b.study), '')
FROM absence b JOIN announced a ON a.study = b.study WHERE b.is_told = 0

-- name: absence_told
UPDATE absence SET is_told = 1, revision = ?2 WHERE study = ?1
