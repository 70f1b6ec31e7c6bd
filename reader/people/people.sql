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
