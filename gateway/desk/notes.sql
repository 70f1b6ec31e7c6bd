-- Rejected images and printed reports: notes.h.

-- name: reject_add
INSERT INTO reject (study, registration, reason, images, words, by_login, at_us)
SELECT ?1, coalesce((SELECT registration FROM registration WHERE study = ?1 AND ?1 <> ''), ''), ?2, ?3, ?4, ?5, ?6

-- name: reject_list
SELECT n, study, registration, reason, images, words, by_login, at_us FROM reject INDEXED BY reject_by_time
WHERE at_us >= ?1 ORDER BY n DESC LIMIT ?2

-- name: reject_counts
SELECT reason, sum(images) FROM reject WHERE at_us >= ?1 GROUP BY reason ORDER BY sum(images) DESC

-- name: print_add
INSERT INTO report_print (read_id, version, by_login, at_us) SELECT ?1, ?2, ?3, ?4
WHERE EXISTS (SELECT 1 FROM report WHERE read_id = ?1 AND version = ?2)

-- The paper jammed: what was opened is to be printed once more. That it was opened stays.
-- name: print_back
UPDATE report_print SET is_back = 1 WHERE read_id = ?1 AND version = ?2 AND is_back = 0

-- name: print_list
SELECT p.read_id, p.version, p.at_us, (SELECT count(*) FROM report_print i
    WHERE i.read_id = p.read_id AND i.version = p.version AND i.is_back = 0)
FROM report_print p WHERE p.is_back = 0 AND NOT EXISTS (SELECT 1 FROM report_print l
    WHERE l.read_id = p.read_id AND l.version = p.version AND l.is_back = 0 AND (l.at_us, l.rowid) > (p.at_us, p.rowid))
ORDER BY p.at_us DESC LIMIT ?1
