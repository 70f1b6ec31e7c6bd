-- name: discard_is_noted
SELECT count(*) FROM discard_noted WHERE entry = ?1 AND at_us = ?2

-- name: discard_note
INSERT INTO discard_noted (entry, at_us, instance, is_watched) VALUES (?1, ?2, ?3, 1) ON CONFLICT DO NOTHING

-- name: discard_watch
UPDATE discard_noted SET instance = ?3, is_watched = 1 WHERE entry = ?1 AND at_us = ?2

-- name: discard_audited_add
INSERT INTO discard_audited (entry, instance, by) VALUES (?1, ?2, ?3)
ON CONFLICT (entry) DO UPDATE SET instance = excluded.instance, by = excluded.by

-- name: discard_is_audited
SELECT count(*) FROM discard_audited WHERE entry = ?1 AND instance = ?2 AND by = ?3

-- name: discard_audited_drop
DELETE FROM discard_audited WHERE entry = ?1

-- name: discard_forget
DELETE FROM discard_noted WHERE entry = ?1 AND at_us = ?2

-- name: discard_all
SELECT entry, at_us, instance, is_watched FROM discard_noted

-- What was thrown away is no longer one of a question's images; the question itself stays.
-- name: discard_drop_instance
DELETE FROM correction_instance WHERE entry = ?1

-- name: aside_asked
SELECT i.entry, c.answer = '' FROM correction_instance i JOIN correction c ON c.n = i.correction ORDER BY i.entry
