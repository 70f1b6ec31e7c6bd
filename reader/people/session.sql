-- Sessions. A demo account's is good only where demo accounts are.

-- name: session_use
WITH good AS (
    SELECT s.sha256, a.login, a.org, a.roles, s.csrf FROM sessions s JOIN accounts a ON a.id = s.account_id
    WHERE s.sha256 = $1 AND s.ends_at_us > $2::bigint AND s.seen_at_us > $3::bigint AND a.disabled_at_us IS NULL
      AND (NOT a.is_demo OR $4::boolean)
), seen AS (
    -- once a minute is often enough to tell idle from used
    UPDATE sessions s SET seen_at_us = $2 FROM good g
    WHERE s.sha256 = g.sha256 AND s.seen_at_us < $2::bigint - 60000000
)
SELECT login, org, roles, csrf FROM good

-- name: session_put
INSERT INTO sessions (sha256, account_id, csrf, made_at_us, seen_at_us, ends_at_us) VALUES ($1, $2, $3, $4, $4, $5)

-- name: session_end
DELETE FROM sessions WHERE sha256 = $1

-- name: sessions_end
DELETE FROM sessions WHERE account_id = $1

-- What is over and what is forgotten: cleared by whoever signs in.
-- name: sessions_clear
WITH gone AS (DELETE FROM sessions WHERE ends_at_us <= $1::bigint OR seen_at_us <= $2::bigint)
DELETE FROM account_codes WHERE ends_at_us <= $1::bigint

-- name: sign_in_account
SELECT id, login, name, org, roles, is_demo, disabled_at_us IS NOT NULL, password, totp_secret, totp_step
FROM accounts WHERE login = $1

-- name: sign_in_step
UPDATE accounts SET totp_step = $2 WHERE id = $1 AND totp_step < $2::bigint

-- name: sign_in_first
UPDATE accounts SET signed_in_us = $2 WHERE id = $1 AND signed_in_us IS NULL
