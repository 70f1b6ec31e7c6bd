-- An order is a patient: told again it is news again. Of other messages somebody has seen that they come.
-- name: his_refused_put
INSERT INTO his_refused (peer, answer, error, place, why, placer, is_order, first_us, at_us)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?8)
ON CONFLICT (peer, answer, error, place, why, placer) DO UPDATE SET at_us = excluded.at_us, times = times + 1,
    is_seen = is_seen AND NOT excluded.is_order

-- name: his_refused_clean
DELETE FROM his_refused WHERE n NOT IN (SELECT n FROM his_refused ORDER BY is_seen, is_order DESC, at_us DESC LIMIT ?1)

-- name: his_refused_list
SELECT n, peer, answer, error, place, why, placer, is_order, first_us, at_us, times, is_seen FROM his_refused
ORDER BY is_seen, is_order DESC, at_us DESC LIMIT ?1

-- name: his_refused_counts
SELECT coalesce(sum(is_order <> 0), 0), coalesce(sum(is_order = 0), 0) FROM his_refused WHERE is_seen = 0

-- name: his_refused_settle
DELETE FROM his_refused WHERE placer = ?1 AND ?1 <> ''

-- name: his_refused_seen
UPDATE his_refused SET is_seen = 1 WHERE is_seen = 0 AND at_us <= ?1
