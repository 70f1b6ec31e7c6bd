-- name: call_add
INSERT INTO call (call, kind, is_on_preview, read_id, study, registration, patient, modality, words, author, hospital,
    at_us, received_at_us, heard_at_us, heard_by, outcome, answer, answered_by, answered_at_us)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?17, ?16, ?14, ?15, ?16, ?17) ON CONFLICT DO NOTHING

-- name: call_list
SELECT call, kind, is_on_preview, read_id, study, registration, patient, modality, words, author, hospital, at_us,
    received_at_us, heard_at_us, heard_by, outcome, answer, answered_by, answered_at_us
FROM call ORDER BY outcome <> '', kind <> 'critical', heard_at_us <> 0, at_us DESC LIMIT ?1

-- name: call_find
SELECT kind, read_id, registration, outcome FROM call WHERE call = ?1

-- name: call_heard
UPDATE call SET heard_at_us = ?2, heard_by = ?3 WHERE call = ?1 AND heard_at_us = 0

-- name: call_answer
UPDATE call SET outcome = ?2, answer = ?3, answered_by = ?4, answered_at_us = ?5 WHERE call = ?1 AND outcome = ''
