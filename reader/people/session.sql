-- Sessions. A demo account's is good only where demo accounts are ($4).

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
