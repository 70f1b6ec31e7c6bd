-- Who reads: agreements, leases that ended, doctors.

-- name: choose_settings
UPDATE assign_settings SET lease_short_us = $1, lease_long_us = $2

-- The agreement that covers a read now, see best_agreement().
-- name: choose_agreement
SELECT b.code, b.version FROM reads r, best_agreement(r, $2) b WHERE r.id = $1

-- Did an agreement begin or end between two looks?
-- name: choose_boundaries
SELECT EXISTS (SELECT FROM agreements a WHERE (a.valid_from_us > $1 AND a.valid_from_us <= $2)
    OR (a.valid_until_us > $1 AND a.valid_until_us <= $2))

-- name: choose_unagreed
SELECT r.id FROM reads r, best_agreement(r, $1) b WHERE r.state = 'unagreed'
    AND r.closed_at_us >= (SELECT min(a.valid_from_us) FROM agreements a) - 86400000000 ORDER BY r.id LIMIT 200

-- Reads nobody has opened whose agreement is not the one that counts any more.
-- name: choose_agreed
SELECT r.id FROM reads r LEFT JOIN LATERAL (SELECT b.code, b.version FROM best_agreement(r, $1) b) b ON true
WHERE r.state IN ('waiting', 'assigned') AND (b.code, b.version) IS DISTINCT FROM (r.agreement, r.agreement_version)
ORDER BY r.id LIMIT 200

-- A lease that ends later than one that is given now ($1) was given by a clock that was ahead, or the clock is behind: it
-- is over when the clock has run evenly for as long ($2), and nobody renewed it.
-- name: choose_ahead
UPDATE reads SET lease_until_us = $1
WHERE claimed_by IS NOT NULL AND lease_until_us > $1 + lease_us(modality) + 60000000 AND lease_us(modality) <= $2

-- name: choose_lapsed
SELECT r.id, 'time', r.claimed_by FROM reads r WHERE r.claimed_by IS NOT NULL AND r.lease_until_us <= $1
UNION ALL
SELECT r.id, 'right', r.claimed_by FROM reads r WHERE r.claimed_by IS NOT NULL AND r.lease_until_us > $1
    AND NOT doctor_fits(r, r.claimed_by, $1)
LIMIT 200

-- Chosen, not opened, and not to be chosen any more. (doctor_fits() and on duty, for many rows at once.)
-- name: choose_misfits
SELECT r.id, CASE WHEN doctor_fits(r, r.assigned_to, $1) THEN 'duty' ELSE 'right' END, r.assigned_to FROM reads r
WHERE r.assigned_to IS NOT NULL AND r.claimed_by IS NULL
    AND NOT EXISTS (SELECT FROM agreements a JOIN affiliations f ON f.org = a.invited JOIN doctors d ON d.login = f.login
        WHERE a.code = r.agreement AND a.version = r.agreement_version AND d.login = r.assigned_to AND d.is_on_duty
            AND d.valid_from_us <= $1 AND $1 < d.valid_until_us AND r.modalities <@ d.modalities)
LIMIT 200

-- name: choose_assignees
SELECT DISTINCT r.assigned_to FROM reads r WHERE r.assigned_to IS NOT NULL AND r.claimed_by IS NULL

-- name: choose_of_assignee
SELECT r.id, r.state FROM reads r WHERE r.assigned_to = $1 AND r.claimed_by IS NULL

-- $2: when who is looked at now is looked at again; later: the clock was ahead.
-- name: choose_due
SELECT r.id FROM reads r
WHERE r.state IN ('waiting', 'drafted', 'written', 'reviewed', 'preliminary') AND r.assigned_to IS NULL
    AND r.claimed_by IS NULL AND (r.look_at_us <= $1 OR r.look_at_us > $2)
ORDER BY r.is_emergency DESC, r.due_at_us, r.id LIMIT 200

-- On duty, licensed, affiliated; least to do first, who let the read go last. Nobody is who wrote of the
-- report: its author, and who began, drafted or passed on this version of it.
-- name: choose_candidates
SELECT d.login, d.name, l.n, d.login = coalesce(r.passed_over, '') FROM reads r
JOIN agreements a ON a.code = r.agreement AND a.version = r.agreement_version
JOIN affiliations f ON f.org = a.invited JOIN doctors d ON d.login = f.login
CROSS JOIN LATERAL (SELECT count(*) AS n, coalesce(max(x.assigned_at_us), 0) AS last FROM reads x
    WHERE x.assigned_to = d.login) l
WHERE r.id = $1 AND d.is_on_duty AND doctor_fits(r, d.login, $2)
    AND NOT (r.state IN ('written', 'reviewed', 'preliminary') AND (d.login = coalesce(r.author, '')
        OR EXISTS (SELECT FROM read_events e WHERE e.read_id = r.id AND e.actor = d.login
            AND e.event IN ('draft', 'write', 'amend')
            AND e.seq >= coalesce((SELECT max(m.seq) FROM read_events m WHERE m.read_id = r.id AND m.event = 'amend'), 0))))
ORDER BY d.login = coalesce(r.passed_over, ''), d.login = coalesce(r.reviewer, '') DESC, l.n, l.last, d.login

-- name: choose_nobody
UPDATE reads SET look_at_us = $2, reason = $3, reason_en = $4,
    changed_at_us = CASE WHEN reason = $3 THEN changed_at_us ELSE $5 END WHERE id = $1

-- name: choose_again
WITH l AS (UPDATE assign_settings SET loads = loads + 1)
UPDATE reads SET look_at_us = 0 WHERE look_at_us > 0
