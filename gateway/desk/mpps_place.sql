-- In which study the images of a step are: mpps_place.c. A step may list tens of thousands: study > '' is found in
-- mpps_image_by_series, study <> '' is looked for in all of them, for each of them.

-- name: mpps_image_add
INSERT INTO mpps_image (uid, instance, series, study) VALUES (?1, ?2, ?3,
    coalesce((SELECT o.study FROM mpps_image o WHERE o.instance = ?2 AND o.study <> '' LIMIT 1), ''))
ON CONFLICT (uid, instance) DO UPDATE SET series = excluded.series WHERE series = '' AND excluded.series <> ''

-- Whoever speaks of it again may send it, under whichever study.
-- name: expected_again
UPDATE expected SET is_absent = 0 WHERE instance = ?1 AND is_absent = 1

-- name: mpps_unplaced
SELECT uid, instance FROM mpps_image WHERE to_place = 1 AND (uid, instance) > (?1, ?2) ORDER BY uid, instance LIMIT ?3

-- name: mpps_image_not_here
UPDATE mpps_image SET to_place = 0 WHERE uid = ?1 AND instance = ?2

-- name: mpps_image_here
UPDATE mpps_image SET to_place = 1 WHERE instance = ?1 AND study = ''

-- An image of the same step and series is there, too.
-- name: mpps_place_known
SELECT 1 FROM mpps_image i JOIN mpps_image p ON p.uid = i.uid AND p.series = i.series AND p.study = ?3
WHERE i.uid = ?1 AND i.instance = ?2 LIMIT 1

-- name: mpps_image_place
UPDATE mpps_image SET study = ?3, to_place = 0 WHERE uid = ?1 AND instance = ?2

-- name: expected_copy
INSERT INTO expected (study, instance, by, at_us, is_here, is_looked)
SELECT ?3, e.instance, ?1, e.at_us, e.is_here, e.is_looked FROM expected e WHERE e.instance = ?2 AND e.study <> ?3 LIMIT 1
ON CONFLICT DO NOTHING

-- name: expected_moved
DELETE FROM expected WHERE instance = ?2 AND study <> ?3 AND by = ?1

-- What is missing of a series is missing where images of that series are; where none of the series is seen, or it
-- was not said, in every study that has an image of the step: none of them may look whole.
-- name: expected_spread
INSERT INTO expected (study, instance, by, at_us, is_looked)
SELECT t.study, t.instance, ?1, e.at_us, e.is_looked FROM (
    SELECT i.instance, p.study FROM mpps_image i
    JOIN (SELECT DISTINCT series, study FROM mpps_image WHERE uid = ?1 AND study > '') p ON p.series = i.series
    WHERE i.uid = ?1 AND i.study = ''
    UNION
    SELECT i.instance, p.study FROM mpps_image i
    JOIN (SELECT DISTINCT study FROM mpps_image WHERE uid = ?1 AND study > '') p
    WHERE i.uid = ?1 AND i.study = '' AND (i.series = ''
        OR NOT EXISTS (SELECT 1 FROM mpps_image q WHERE q.uid = ?1 AND q.series = i.series AND q.study > ''))
) t CROSS JOIN expected e ON e.instance = t.instance AND e.is_here = 0
WHERE true
ON CONFLICT DO NOTHING

-- And no longer where the series is not.
-- name: expected_elsewhere
DELETE FROM expected INDEXED BY expected_by_instance WHERE by = ?1 AND is_here = 0 AND is_absent = 0
AND instance IN (SELECT i.instance FROM mpps_image i WHERE i.uid = ?1 AND i.study = '' AND i.series <> ''
    AND EXISTS (SELECT 1 FROM mpps_image q WHERE q.uid = ?1 AND q.series = i.series AND q.study > ''))
AND NOT EXISTS (SELECT 1 FROM mpps_image i JOIN mpps_image q ON q.uid = i.uid AND q.series = i.series AND q.study = expected.study
    WHERE i.uid = ?1 AND i.instance = expected.instance)

-- With the batch of expected_forget.
-- name: mpps_image_forget
DELETE FROM mpps_image WHERE study IN ('', ?1) AND (SELECT a.known_ms FROM announced a WHERE a.study = ?1) = ?3
AND instance IN (SELECT e.instance FROM expected e WHERE e.study = ?1 LIMIT ?2)
