-- Accounts, sessions and wrong tries: accounts.h.

-- name: account_get
SELECT login, name, roles, password, disabled_at_us, made_at_us, signed_in_at_us FROM account WHERE login = ?1

-- name: account_list
SELECT login, name, roles, password, disabled_at_us, made_at_us, signed_in_at_us FROM account ORDER BY login

-- name: account_any
SELECT 1 FROM account WHERE password <> '' AND disabled_at_us = 0 LIMIT 1

-- name: account_add
INSERT INTO account (login, name, roles, code_sha256, code_ends_us, made_at_us, made_by) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)

-- The first code makes an account, or makes one good again.
-- name: account_own
INSERT INTO account (login, name, roles, password, made_at_us, made_by) VALUES (?1, ?2, ?3, ?4, ?5, 'console')
ON CONFLICT (login) DO UPDATE SET name = excluded.name, roles = excluded.roles, password = excluded.password,
    code_sha256 = '', code_ends_us = 0, disabled_at_us = 0

-- name: account_of_code
SELECT login, code_ends_us FROM account WHERE code_sha256 = ?1 AND code_sha256 <> '' AND disabled_at_us = 0

-- name: account_set_password
UPDATE account SET password = ?2, code_sha256 = '', code_ends_us = 0 WHERE login = ?1

-- name: account_reset
UPDATE account SET password = '', code_sha256 = ?2, code_ends_us = ?3 WHERE login = ?1

-- name: account_disable
UPDATE account SET disabled_at_us = ?2 WHERE login = ?1

-- name: account_roles
UPDATE account SET roles = ?2 WHERE login = ?1

-- name: account_signed_in
UPDATE account SET signed_in_at_us = ?2 WHERE login = ?1

-- name: session_get
SELECT s.login, s.csrf, s.made_at_us, s.seen_at_us, a.roles FROM account_session s JOIN account a ON a.login = s.login
WHERE s.sha256 = ?1 AND a.disabled_at_us = 0

-- name: session_put
INSERT INTO account_session (sha256, login, csrf, made_at_us, seen_at_us) VALUES (?1, ?2, ?3, ?4, ?4)

-- name: session_seen
UPDATE account_session SET seen_at_us = ?2 WHERE sha256 = ?1

-- name: session_end
DELETE FROM account_session WHERE sha256 = ?1

-- name: session_end_all
DELETE FROM account_session WHERE login = ?1

-- What nobody used for two days, and what a clock that was ahead left.
-- name: session_clear
DELETE FROM account_session WHERE abs(seen_at_us - ?1) > 172800000000

-- name: try_get
SELECT count, last_at_us FROM account_try WHERE key = ?1

-- name: try_set
INSERT INTO account_try (key, count, last_at_us) VALUES (?1, ?2, ?3)
ON CONFLICT (key) DO UPDATE SET count = excluded.count, last_at_us = excluded.last_at_us

-- name: try_forget
DELETE FROM account_try WHERE key = ?1

-- Below zero: no tries, but who signed in from where; for 30 days.
-- name: try_clear
DELETE FROM account_try WHERE abs(last_at_us - ?1) > CASE WHEN count < 0 THEN 2592000000000 ELSE 86400000000 END
