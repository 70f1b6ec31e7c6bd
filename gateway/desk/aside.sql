-- name: discard_is_noted
SELECT count(*) FROM discard_noted WHERE entry = ?1 AND at_us = ?2

-- name: discard_note
INSERT INTO discard_noted (entry, at_us) VALUES (?1, ?2) ON CONFLICT DO NOTHING

-- name: discard_forget
DELETE FROM discard_noted WHERE entry = ?1 AND at_us = ?2

-- name: discard_all
SELECT entry, at_us FROM discard_noted

-- What was thrown away is no longer one of a question's images; the question itself stays.
-- name: discard_drop_instance
DELETE FROM correction_instance WHERE entry = ?1

-- name: aside_asked
SELECT i.entry, c.answer = '' FROM correction_instance i JOIN correction c ON c.n = i.correction ORDER BY i.entry
