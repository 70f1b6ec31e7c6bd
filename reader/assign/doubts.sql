-- Doubts about whose images a study is, and further studies of a registration (migrations/0007_doubts.sql).

-- A lower revision changes nothing. What was confirmed stays confirmed as long as the word stands: one that went and comes
-- again is a new question; the reader's own word (READ_OTHER_WORD) says itself what it is about. Returns whether the images are another person's than before.
-- name: doubt_put
WITH before AS (SELECT is_corrected, patient_name, patient_id, sex, birth FROM study_doubts
    WHERE tenant = $1::text AND study_uid = $2::text)
INSERT INTO study_doubts AS old (tenant, study_uid, revision, doubts, confirmed, confirmed_by, confirmed_at_us, reason,
    is_corrected, patient_name, patient_id, sex, birth, changed_at_us)
VALUES ($1::text, $2::text, $3, $4::text, CASE WHEN $5::boolean THEN $4::text ELSE '' END,
    CASE WHEN $5::boolean THEN $6::text ELSE '' END, CASE WHEN $5::boolean THEN $13::bigint ELSE 0 END,
    CASE WHEN $5::boolean THEN $7::text ELSE '' END, $8, $9, $10, $11, $12, $13::bigint)
ON CONFLICT (tenant, study_uid) DO UPDATE SET revision = EXCLUDED.revision, doubts = EXCLUDED.doubts,
    confirmed = coalesce((SELECT string_agg(DISTINCT w, ' ') FROM unnest(string_to_array(
        old.confirmed || ' ' || EXCLUDED.confirmed, ' ')) w
        WHERE w <> '' AND (w = ANY (string_to_array(EXCLUDED.doubts, ' ')) OR w LIKE 'registered\_other.%')), ''),
    confirmed_by = CASE WHEN $5::boolean THEN EXCLUDED.confirmed_by ELSE old.confirmed_by END,
    confirmed_at_us = CASE WHEN $5::boolean THEN EXCLUDED.confirmed_at_us ELSE old.confirmed_at_us END,
    reason = CASE WHEN $5::boolean THEN EXCLUDED.reason ELSE old.reason END,
    is_corrected = EXCLUDED.is_corrected, patient_name = EXCLUDED.patient_name, patient_id = EXCLUDED.patient_id,
    sex = EXCLUDED.sex, birth = EXCLUDED.birth, changed_at_us = EXCLUDED.changed_at_us
WHERE old.revision < EXCLUDED.revision
RETURNING coalesce((SELECT (b.is_corrected, b.patient_name, b.patient_id, b.sex, b.birth) IS DISTINCT FROM
    ($8::boolean, $9::text, $10::text, $11::text, $12::text) FROM before b), $8::boolean)

-- The desk may have said nothing yet.
-- name: doubt_confirm
INSERT INTO study_doubts (tenant, study_uid, revision, doubts, confirmed, confirmed_by, reason, confirmed_at_us, changed_at_us)
VALUES ($1, $2, 0, '', $3::text, $4, $5, $6, $6)
ON CONFLICT (tenant, study_uid) DO UPDATE SET confirmed = EXCLUDED.confirmed, confirmed_by = EXCLUDED.confirmed_by,
    reason = EXCLUDED.reason, confirmed_at_us = EXCLUDED.confirmed_at_us, changed_at_us = EXCLUDED.changed_at_us
WHERE study_doubts.revision = $7
RETURNING 1

-- name: doubt_read_lock
SELECT id FROM reads WHERE tenant = $1 AND study_uid = $2 FOR UPDATE

-- name: doubt_read_changed
UPDATE reads SET changed_at_us = $2 WHERE id = $1

-- name: order_join
INSERT INTO order_studies (tenant, registration, study_uid) VALUES ($1, $2, $3)
ON CONFLICT (tenant, study_uid) DO UPDATE SET registration = EXCLUDED.registration

-- name: order_part
DELETE FROM order_studies WHERE tenant = $1 AND study_uid = $2 RETURNING registration

-- name: order_part_read
UPDATE reads SET registration = NULL, changed_at_us = $4 WHERE tenant = $1 AND study_uid = $2 AND registration = $3
RETURNING id
