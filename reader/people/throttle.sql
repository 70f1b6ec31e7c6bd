-- Wrong tries, counted by account and by address. A try is counted before it is judged, so that many at once are no way
-- around; it is taken back when it was right.

-- $1 key, $2 now, $3 free tries, $4 first wait, $5 longest wait, $6 forgotten after. No row: this try has to wait. One of more
-- than a minute after now was counted by a clock that was ahead: it is forgotten, too.
-- name: throttle_take
INSERT INTO login_failures AS f (key, count, last_us) VALUES ($1, 1, $2::bigint)
ON CONFLICT (key) DO UPDATE SET count = CASE WHEN f.last_us BETWEEN $2::bigint - $6::bigint AND $2::bigint + 60000000
    THEN f.count + 1 ELSE 1 END, last_us = $2::bigint
WHERE f.count < $3::integer OR f.last_us NOT BETWEEN $2::bigint - $6::bigint AND $2::bigint + 60000000
   OR f.last_us + least($5::bigint, $4::bigint << least(f.count - $3::integer, 20)) <= $2::bigint
RETURNING count

-- name: throttle_wait
SELECT (f.last_us + least($5::bigint, $4::bigint << least(f.count - $3::integer, 20)) - $2::bigint)::bigint
FROM login_failures f WHERE f.key = $1 AND f.count >= $3::integer

-- name: throttle_give
UPDATE login_failures SET count = greatest(count - 1, 0) WHERE key = $1

-- name: throttle_forget
DELETE FROM login_failures WHERE key = $1

-- name: throttle_clear
DELETE FROM login_failures WHERE last_us < $1
