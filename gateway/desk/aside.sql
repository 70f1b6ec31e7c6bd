-- name: discard_get
SELECT step, step_at_us FROM discard_noted WHERE entry = ?1 AND at_us = ?2

-- name: discard_begin
INSERT INTO discard_noted (entry, at_us, instance, is_watched, step, step_at_us) VALUES (?1, ?2, ?3, 1, 0, ?4)
ON CONFLICT DO NOTHING

-- name: discard_step
UPDATE discard_noted SET step = ?3, step_at_us = ?4 WHERE entry = ?1 AND at_us = ?2

-- name: discard_watch
UPDATE discard_noted SET instance = ?3, is_watched = 1 WHERE entry = ?1 AND at_us = ?2

-- name: discard_restored_by
UPDATE discard_noted SET restored_by = ?3 WHERE entry = ?1 AND at_us = ?2

-- name: discard_forget
DELETE FROM discard_noted WHERE entry = ?1 AND at_us = ?2

-- name: discard_all
SELECT entry, at_us, instance, is_watched, restored_by FROM discard_noted

-- What was thrown away is no longer one of a question's images; the question itself stays.
-- name: discard_drop_instance
DELETE FROM correction_instance WHERE entry = ?1

-- name: aside_asked
SELECT i.entry, c.answer = '' FROM correction_instance i JOIN correction c ON c.n = i.correction ORDER BY i.entry
