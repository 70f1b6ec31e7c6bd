-- name: mpps_get
SELECT state, study FROM mpps WHERE uid = ?1

-- name: mpps_add
INSERT INTO mpps (uid, state, device, study, accession, modality, created_at_us, changed_at_us, reason)
VALUES (?1, 'IN PROGRESS', ?2, ?3, ?4, ?5, ?6, ?6, '')

-- name: mpps_change
UPDATE mpps SET state = ?2, reason = CASE WHEN ?3 <> '' THEN ?3 ELSE reason END, changed_at_us = ?4 WHERE uid = ?1

-- name: mpps_said_add
INSERT INTO mpps_said (uid, n, at_us, body)
VALUES (?1, (SELECT coalesce(max(s.n), 0) + 1 FROM mpps_said s WHERE s.uid = ?1), ?2, ?3)

-- name: mpps_owner
SELECT o.registration, r.citizen_id, o.patient_id, o.pinyin, r.name, r.sex, r.birth
FROM orders o JOIN registration r ON r.registration = o.registration WHERE o.number = ?1

-- name: mpps_order_add
INSERT INTO mpps_order (uid, number) VALUES (?1, ?2) ON CONFLICT DO NOTHING

-- name: mpps_orders
SELECT number FROM mpps_order WHERE uid = ?1

-- The other steps of an order: how many run (?3: began or were told of since then), how many are done.
-- name: mpps_others
SELECT coalesce(sum(m.state = 'IN PROGRESS' AND m.changed_at_us > ?3), 0), coalesce(sum(m.state = 'COMPLETED'), 0)
FROM mpps_order o CROSS JOIN mpps m ON m.uid = o.uid WHERE o.number = ?2 AND o.uid <> ?1

-- name: mpps_study_list
SELECT m.study, max(CASE m.state WHEN 'IN PROGRESS' THEN 3 WHEN 'COMPLETED' THEN 2 ELSE 1 END),
    coalesce((SELECT a.expected FROM announced a WHERE a.study = m.study), 0),
    coalesce((SELECT a.missing FROM announced a WHERE a.study = m.study), 0), 0
FROM mpps m INDEXED BY mpps_by_time WHERE m.changed_at_us >= ?1 GROUP BY m.study
UNION ALL
SELECT a.study, 0, a.expected, a.missing, 0 FROM announced a
WHERE a.at_us >= ?1 AND NOT EXISTS (SELECT 1 FROM mpps m WHERE m.study = a.study AND m.changed_at_us >= ?1)

-- However long ago they were announced: what is forgotten would make its study safe to delete.
-- name: mpps_missing_list
SELECT study, 0, expected, missing - absent, turn FROM announced WHERE missing > 0 AND missing > absent ORDER BY study

-- Whoever speaks of it again may send it, whatever was said at the desk.
-- name: expected_add
INSERT INTO expected (study, instance, by, at_us) VALUES (
    coalesce((SELECT i.study FROM mpps_image i WHERE i.uid = ?3 AND i.instance = ?2 AND i.study <> ''), ?1), ?2, ?3, ?4)
ON CONFLICT (study, instance) DO UPDATE SET is_absent = 0 WHERE is_absent = 1

-- name: expected_of
SELECT coalesce(sum(expected), 0), coalesce(sum(missing), 0) FROM announced WHERE study = ?1

-- Nobody asked the spool for these yet.
-- name: expected_new
SELECT study, instance FROM expected WHERE is_here = 0 AND is_looked = 0 LIMIT ?1

-- name: expected_looked
UPDATE expected SET is_looked = 1 WHERE study = ?1 AND instance = ?2

-- name: expected_after
SELECT study, instance FROM expected WHERE is_here = 0 AND (study, instance) > (?1, ?2)
ORDER BY study, instance LIMIT ?3

-- name: expected_here
UPDATE expected SET is_here = 1, is_absent = 0 WHERE instance = ?1 AND is_here = 0

-- name: announced_before
SELECT study, known_ms FROM announced WHERE known_ms < ?1 ORDER BY known_ms LIMIT ?2

-- name: announced_known
UPDATE announced SET known_ms = ?2 WHERE study = ?1

-- Unless more was announced meanwhile.
-- name: expected_forget
DELETE FROM expected WHERE study = ?1 AND (SELECT a.known_ms FROM announced a WHERE a.study = ?1) = ?3
AND instance IN (SELECT e.instance FROM expected e WHERE e.study = ?1 LIMIT ?2)

-- name: announced_forget
DELETE FROM announced WHERE study = ?1 AND expected = 0
