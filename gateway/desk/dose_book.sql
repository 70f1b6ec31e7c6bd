-- dose_book.sql - dose reports of a study, and which of them hold which.

-- name: dose_report_add
INSERT INTO dose_report (study, uid, device, made_at, is_of_study, events, replaced_by)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, '') ON CONFLICT DO NOTHING

-- name: dose_part_add
INSERT INTO dose_part (study, uid, part, is_event) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING

-- Of each that counts: does ?2 hold it, is ?2 held by it, and was ?2 made before it. One holds another if it says that it
-- follows it, or has all of its irradiation events; where one of the two names no events, if it is of the whole study, of
-- the same device, and was not made before.
-- name: dose_report_others
SELECT o.uid,
    EXISTS (SELECT 1 FROM dose_part p WHERE p.study = n.study AND p.uid = n.uid AND p.part = o.uid AND p.is_event = 0)
        OR (o.events > 0 AND o.events = (SELECT count(*) FROM dose_part e JOIN dose_part p
            ON p.study = e.study AND p.uid = n.uid AND p.part = e.part AND p.is_event = 1
            WHERE e.study = o.study AND e.uid = o.uid AND e.is_event = 1))
        OR (n.is_of_study = 1 AND n.device = o.device AND (n.events = 0 OR o.events = 0) AND NOT (n.made_at <> '' AND n.made_at < o.made_at)),
    EXISTS (SELECT 1 FROM dose_part p WHERE p.study = o.study AND p.uid = o.uid AND p.part = n.uid AND p.is_event = 0)
        OR (n.events > 0 AND n.events = (SELECT count(*) FROM dose_part e JOIN dose_part p
            ON p.study = e.study AND p.uid = o.uid AND p.part = e.part AND p.is_event = 1
            WHERE e.study = n.study AND e.uid = n.uid AND e.is_event = 1))
        OR (o.is_of_study = 1 AND n.device = o.device AND (n.events = 0 OR o.events = 0) AND n.made_at <> '' AND n.made_at < o.made_at),
    n.made_at <> '' AND n.made_at < o.made_at
FROM dose_report n JOIN dose_report o ON o.study = n.study AND o.uid <> n.uid AND o.replaced_by = ''
WHERE n.study = ?1 AND n.uid = ?2

-- name: dose_report_replace
UPDATE dose_report SET replaced_by = ?3 WHERE study = ?1 AND uid = ?2

-- name: dose_put
INSERT INTO dose (study, source, uid, kind, value, at_us) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
ON CONFLICT (study, source, uid, kind) DO UPDATE SET value = excluded.value, at_us = excluded.at_us

-- name: dose_of
SELECT study, source, kind, value FROM dose WHERE study = ?1 AND NOT EXISTS (SELECT 1 FROM dose_report r
    WHERE r.study = dose.study AND r.uid = dose.uid AND r.replaced_by <> '' AND dose.source = 'rdsr')
ORDER BY study, source

-- name: dose_list
SELECT study, source, kind, value FROM dose
WHERE study IN (SELECT d.study FROM dose d WHERE d.at_us >= ?1) AND NOT EXISTS (SELECT 1 FROM dose_report r
    WHERE r.study = dose.study AND r.uid = dose.uid AND r.replaced_by <> '' AND dose.source = 'rdsr')
ORDER BY study, source
