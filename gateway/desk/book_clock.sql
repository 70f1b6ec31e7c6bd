-- book_clock.sql - times of our own when the wall clock was set: book_clock.c.

-- When the newest open order was made; below which number none of the last ?1 before it is; the newest number; the newest study.
-- name: clock_newest
WITH newest AS (SELECT coalesce(max(made_at_us), 0) AS us FROM orders WHERE state IN ('scheduled', 'in_progress'))
SELECT newest.us, coalesce((SELECT min(number) - 1 FROM orders WHERE state IN ('scheduled', 'in_progress')
    AND made_at_us > newest.us - ?1), 0), coalesce((SELECT max(number) FROM orders), 0), coalesce((SELECT max(rowid) FROM study), 0)
FROM newest

-- When the newest order above this number was made, or the newest study behind this row came.
-- name: clock_newest_above
SELECT max(coalesce((SELECT max(made_at_us) FROM orders WHERE number > ?1), 0),
    coalesce((SELECT max(arrived_at_us) FROM study WHERE rowid > ?2), 0))

-- name: clock_shift_studies
UPDATE study SET arrived_at_us = arrived_at_us + ?2 WHERE rowid > ?1

-- ?1: numbers above it; ?2: made after; ?3: 1 open ones; ?4: by so much.
-- name: clock_shift_registrations
UPDATE registration SET at_us = at_us + ?4, changed_at_us = changed_at_us + ?4 WHERE registration IN (
    SELECT registration FROM orders WHERE number > ?1 AND made_at_us > ?2
        AND (?3 = 0 OR state IN ('scheduled', 'in_progress')))

-- A time that another system gave for the exam stays.
-- name: clock_shift_orders
UPDATE orders SET made_at_us = made_at_us + ?4, changed_at_us = changed_at_us + ?4,
    scheduled_at_us = scheduled_at_us + CASE WHEN abs(scheduled_at_us - made_at_us) < 1000000 THEN ?4 ELSE 0 END
WHERE number > ?1 AND made_at_us > ?2 AND (?3 = 0 OR state IN ('scheduled', 'in_progress'))
