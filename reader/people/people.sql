-- Who somebody is.

-- name: people_find
SELECT id, login, name, org, roles, is_demo, disabled_at_us IS NOT NULL FROM accounts WHERE login = $1

-- name: people_find_id
SELECT id, login, name, org, roles, is_demo, disabled_at_us IS NOT NULL FROM accounts WHERE id = $1

-- name: people_put
INSERT INTO accounts (login, name, org, roles, is_demo, password, made_at_us)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (login) DO UPDATE SET name = EXCLUDED.name, org = EXCLUDED.org, roles = EXCLUDED.roles,
    password = CASE WHEN accounts.is_demo THEN COALESCE(EXCLUDED.password, accounts.password) ELSE accounts.password END
WHERE accounts.is_demo = EXCLUDED.is_demo
RETURNING id

-- name: people_list
SELECT id, login, name, org, roles, is_demo, disabled_at_us IS NOT NULL, password IS NOT NULL, signed_in_us
FROM accounts WHERE $1::text IS NULL OR org = $1 ORDER BY org, login

-- name: people_invite
INSERT INTO accounts (login, name, org, roles, made_at_us) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (login) DO NOTHING RETURNING id

-- name: people_disable
UPDATE accounts SET disabled_at_us = $2 WHERE id = $1

-- name: people_set_roles
UPDATE accounts SET roles = $2 WHERE id = $1

-- name: people_set_password
UPDATE accounts SET password = $2 WHERE id = $1

-- name: people_reset
UPDATE accounts SET password = NULL, totp_secret = NULL WHERE id = $1

-- name: people_enrol
UPDATE accounts SET password = $2, totp_secret = $3, totp_step = 0 WHERE id = $1 AND disabled_at_us IS NULL AND NOT is_demo
RETURNING login, org

-- An administrator who has signed in, of the real ones.
-- name: people_has_admin
SELECT 1 FROM accounts WHERE roles & $1::integer <> 0 AND NOT is_demo AND disabled_at_us IS NULL
  AND signed_in_us IS NOT NULL LIMIT 1

-- name: code_put
INSERT INTO account_codes (sha256, account_id, org, ends_at_us) VALUES ($1, $2, $3, $4)

-- name: code_void
DELETE FROM account_codes WHERE account_id IS NOT DISTINCT FROM $1::bigint

-- Taken out in the transaction that uses it: two at once cannot both.
-- name: code_take
DELETE FROM account_codes WHERE sha256 = $1 AND ends_at_us > $2::bigint RETURNING account_id, org

-- name: look_put
INSERT INTO looks (tenant, study, at_us, account_id, what)
SELECT $1::text, $2::text, $3::bigint, $4::bigint, $5::text WHERE NOT EXISTS (SELECT FROM looks
    WHERE tenant = $1 AND study = $2 AND account_id = $4 AND what = $5 AND at_us BETWEEN $3::bigint - 299999999
        AND $3::bigint)

-- name: looks
SELECT l.at_us, a.login, a.name, a.org, l.what FROM looks l JOIN accounts a ON a.id = l.account_id
WHERE l.tenant = $1 AND l.study = $2 ORDER BY l.at_us DESC LIMIT 200
