-- ---- slips, by the clinic's link ----

-- name: patient_slip_put
INSERT INTO patient_slip (tenant, registration, code_sha256, phone, is_phone_verified, study, at_us)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (tenant, registration) DO UPDATE SET code_sha256 = EXCLUDED.code_sha256, phone = EXCLUDED.phone,
    is_phone_verified = EXCLUDED.is_phone_verified, study = EXCLUDED.study, at_us = EXCLUDED.at_us

-- name: patient_slip_attach
UPDATE patient_slip SET study = $3 WHERE tenant = $1 AND registration = $2

-- name: patient_slip_phone
UPDATE patient_slip SET phone = $3, is_phone_verified = true WHERE tenant = $1 AND registration = $2

-- name: patient_phone_code_put
INSERT INTO patient_phone_code (tenant, registration, phone, code_sha256, tries, ends_at_us) VALUES ($1, $2, $3, $4, 0, $5)
ON CONFLICT (tenant, registration) DO UPDATE SET phone = EXCLUDED.phone, code_sha256 = EXCLUDED.code_sha256, tries = 0,
    ends_at_us = EXCLUDED.ends_at_us

-- A try is counted before it is judged.
-- name: patient_phone_code_try
UPDATE patient_phone_code SET tries = tries + 1 WHERE tenant = $1 AND registration = $2
RETURNING phone, code_sha256, tries, ends_at_us

-- name: patient_phone_code_remove
DELETE FROM patient_phone_code WHERE tenant = $1 AND registration = $2

-- ---- the door ----

-- So many of an address wait at once, whatever their codes are ($6); more are answered and not looked at.
-- name: patient_open
INSERT INTO patient_challenge (sha256, code_sha256, address, at_us, ends_at_us)
SELECT $1::bytea, $2::bytea, $3::text, $4::bigint, $5::bigint
WHERE (SELECT count(*) FROM (SELECT FROM patient_challenge WHERE address = $3::text AND otp_sha256 IS NULL LIMIT $6) w) < $6

-- What "open" left to do. A code nobody has gives a row too, without a slip; it waits behind those that somebody has.
-- name: patient_open_waiting
SELECT c.sha256, c.code_sha256, c.address, coalesce(s.phone, ''), coalesce(s.is_phone_verified, false), c.ends_at_us
FROM patient_challenge c LEFT JOIN patient_slip s ON s.code_sha256 = c.code_sha256
WHERE c.otp_sha256 IS NULL ORDER BY coalesce(s.is_phone_verified, false) DESC, c.at_us LIMIT $1 FOR UPDATE OF c SKIP LOCKED

-- name: patient_open_done
UPDATE patient_challenge SET otp_sha256 = $2 WHERE sha256 = $1

-- name: patient_enter_try
WITH c AS (
    UPDATE patient_challenge SET tries = tries + 1 WHERE sha256 = $1
    RETURNING code_sha256, otp_sha256, tries, ends_at_us
)
SELECT c.code_sha256, c.otp_sha256, c.tries, c.ends_at_us, coalesce(s.phone, ''), coalesce(s.tenant, ''),
    coalesce(s.study, '')
FROM c LEFT JOIN patient_slip s ON s.code_sha256 = c.code_sha256

-- name: patient_challenge_remove
DELETE FROM patient_challenge WHERE sha256 = $1

-- name: patient_session_put
INSERT INTO patient_session (sha256, code_sha256, csrf, at_us, ends_at_us) VALUES ($1, $2, $3, $4, $5)

-- name: patient_session_get
SELECT s.tenant, s.registration, s.study, p.csrf, p.ends_at_us
FROM patient_session p JOIN patient_slip s ON s.code_sha256 = p.code_sha256
WHERE p.sha256 = $1 AND p.ends_at_us > $2

-- name: patient_session_end
DELETE FROM patient_session WHERE sha256 = $1

-- ---- limits ----

-- One more of a kind within its window ($2 now, $3 its end if it begins now): how many there are. One that ends more than a
-- minute later than that began under a clock that was ahead, and is over.
-- name: patient_tries_take
INSERT INTO patient_tries AS t (key, count, since_us, ends_at_us) VALUES ($1, 1, $2::bigint, $3::bigint)
ON CONFLICT (key) DO UPDATE SET
    count = CASE WHEN t.ends_at_us BETWEEN $2::bigint + 1 AND $3::bigint + 60000000 THEN least(t.count, 1000000) + 1 ELSE 1 END,
    since_us = CASE WHEN t.ends_at_us BETWEEN $2::bigint + 1 AND $3::bigint + 60000000 THEN t.since_us ELSE $2::bigint END,
    ends_at_us = CASE WHEN t.ends_at_us BETWEEN $2::bigint + 1 AND $3::bigint + 60000000 THEN t.ends_at_us ELSE $3::bigint END
RETURNING count

-- name: patient_tries_count
SELECT count FROM patient_tries WHERE key = $1 AND ends_at_us BETWEEN $2::bigint + 1 AND $3::bigint + 60000000

-- name: patient_tries_give
UPDATE patient_tries SET count = greatest(count - 1, 0) WHERE key = $1

-- name: patient_tries_forget
DELETE FROM patient_tries WHERE key = $1

-- ---- looks ----

-- name: patient_look_put
INSERT INTO patient_look (tenant, study, what, at_us) SELECT $1::text, $2::text, $3::text, $4::bigint
WHERE NOT EXISTS (SELECT FROM patient_look WHERE tenant = $1::text AND study = $2::text AND what = $3::text
    AND at_us BETWEEN $4::bigint - 299999999 AND $4::bigint)

-- name: patient_looks
SELECT at_us, what FROM patient_look WHERE tenant = $1 AND study = $2 ORDER BY at_us DESC LIMIT 200

-- ---- post ----

-- name: patient_message_put
INSERT INTO patient_message (cause, kind, phone, code, at_us, until_us, next_at_us)
VALUES ($1, $2, $3, $4, $5::bigint, $6, $5::bigint) ON CONFLICT (cause) DO NOTHING

-- name: patient_message_for_study
INSERT INTO patient_message (cause, kind, phone, code, at_us, until_us, next_at_us)
SELECT $3 || ':' || s.registration, $4, s.phone, '', $5::bigint, $6::bigint, $5::bigint
FROM patient_slip s WHERE s.tenant = $1 AND s.study = $2 AND s.is_phone_verified AND s.phone <> ''
ON CONFLICT (cause) DO NOTHING

-- $2: now and the longest wait; what is put off for longer was so by a clock that was ahead.
-- name: patient_message_due
SELECT id, kind, phone, code, at_us, until_us, tries FROM patient_message
WHERE next_at_us <= $1 OR next_at_us > $2 ORDER BY kind = 'otp' DESC, next_at_us LIMIT 1 FOR UPDATE SKIP LOCKED

-- name: patient_message_sent
UPDATE patient_message SET sent_at_us = $2, next_at_us = NULL, code = '' WHERE id = $1

-- name: patient_message_later
UPDATE patient_message SET tries = tries + 1, next_at_us = $2 WHERE id = $1

-- name: patient_message_dropped
UPDATE patient_message SET next_at_us = NULL, code = '' WHERE id = $1

-- name: patient_message_is_sent
SELECT FROM patient_slip s JOIN patient_message m ON m.cause = $3 || ':' || s.registration
WHERE s.tenant = $1 AND s.study = $2 AND m.sent_at_us IS NOT NULL LIMIT 1

-- ---- tidying ----

-- name: patient_tidy
WITH c AS (DELETE FROM patient_challenge WHERE ends_at_us <= $1::bigint),
    s AS (DELETE FROM patient_session WHERE ends_at_us <= $1::bigint),
    p AS (DELETE FROM patient_phone_code WHERE ends_at_us <= $1::bigint),
    m AS (DELETE FROM patient_message WHERE kind IN ('otp', 'phone') AND next_at_us IS NULL AND until_us <= $1::bigint)
DELETE FROM patient_tries WHERE ends_at_us <= $1::bigint
