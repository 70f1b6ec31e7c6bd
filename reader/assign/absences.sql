-- Images that were announced and will not come (migrations/0013_absent.sql).

-- A lower revision changes nothing.
-- name: absent_told
INSERT INTO study_absent AS old (tenant, study_uid, revision, images, reason, words, by_name, at_us)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT (tenant, study_uid) DO UPDATE SET revision = EXCLUDED.revision, images = EXCLUDED.images,
    reason = EXCLUDED.reason, words = EXCLUDED.words, by_name = EXCLUDED.by_name, at_us = EXCLUDED.at_us
WHERE old.revision < EXCLUDED.revision

-- name: absent_read
SELECT id FROM reads WHERE tenant = $1 AND study_uid = $2
