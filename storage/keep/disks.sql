-- Which disk a store is on: disks.c (migrations/0018_disks.sql).

-- name: disk_mark
SELECT mark FROM disk_marks WHERE name = $1

-- name: disk_mark_first
INSERT INTO disk_marks (name, mark, since_us) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING

-- name: disk_mark_set
INSERT INTO disk_marks (name, mark, since_us) VALUES ($1, $2, $3)
ON CONFLICT (name) DO UPDATE SET mark = EXCLUDED.mark, since_us = EXCLUDED.since_us

-- The oldest packs: what was written since a disk went away may be all there is in the folder below it.
-- name: disk_copies
SELECT path FROM pack_copies WHERE store = $1 ORDER BY pack LIMIT 100

-- Somebody was enrolled, or something came: then there was an authority.
-- name: disk_has_history
SELECT EXISTS (SELECT FROM certificates) OR EXISTS (SELECT FROM instances)

-- All are read back now; what is not there is made anew.
-- name: disk_doubt
UPDATE pack_copies SET doubted_at_us = $2 WHERE store = $1 AND doubted_at_us IS NULL
