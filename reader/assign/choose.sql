-- Who reads: agreements, leases that ended, doctors.

-- name: choose_settings
UPDATE assign_settings SET lease_short_us = $1, lease_long_us = $2

-- The agreement in force that covers a read: of each code the greatest version in force now counts; of several, one that
-- has somebody on duty. A study from more than a day before the agreement began is history, not work.
-- name: choose_agreement
SELECT a.code, a.version FROM reads r JOIN agreements a ON a.inviting = r.tenant
WHERE r.id = $1 AND cardinality(r.modalities) > 0 AND r.modalities <@ a.modalities
    AND a.valid_from_us <= $2 AND $2 < a.valid_until_us AND (SELECT min(b.valid_from_us) FROM agreements b WHERE b.code = a.code) <= r.closed_at_us + 86400000000
    AND NOT EXISTS (SELECT FROM agreements n WHERE n.code = a.code AND n.version > a.version
        AND n.valid_from_us <= $2 AND $2 < n.valid_until_us)
ORDER BY EXISTS (SELECT FROM affiliations f JOIN doctors d ON d.login = f.login WHERE f.org = a.invited AND d.is_on_duty
        AND d.valid_from_us <= $2 AND $2 < d.valid_until_us AND r.modalities <@ d.modalities) DESC, a.code
LIMIT 1

-- name: choose_unagreed
SELECT r.id FROM reads r WHERE r.state = 'unagreed' AND r.id > $1 ORDER BY r.id LIMIT 200

-- Reads nobody has opened, to see whether their agreement still is the one that counts.
-- name: choose_agreed
SELECT r.id, r.agreement, r.agreement_version FROM reads r WHERE r.state IN ('waiting', 'assigned') AND r.id > $1
ORDER BY r.id LIMIT 200

-- name: choose_lapsed
SELECT r.id, 'time', r.claimed_by FROM reads r WHERE r.claimed_by IS NOT NULL AND r.lease_until_us <= $1
UNION ALL
SELECT r.id, 'right', r.claimed_by FROM reads r WHERE r.claimed_by IS NOT NULL AND r.lease_until_us > $1
    AND NOT doctor_fits(r, r.claimed_by, $1)
LIMIT 200

-- Chosen, not opened, and not to be chosen any more.
-- name: choose_misfits
SELECT r.id, CASE WHEN doctor_fits(r, r.assigned_to, $1) THEN 'duty' ELSE 'right' END, r.assigned_to FROM reads r
WHERE r.assigned_to IS NOT NULL AND r.claimed_by IS NULL
    AND NOT (doctor_fits(r, r.assigned_to, $1)
        AND EXISTS (SELECT FROM doctors d WHERE d.login = r.assigned_to AND d.is_on_duty))
LIMIT 200

-- name: choose_assignees
SELECT DISTINCT r.assigned_to FROM reads r WHERE r.assigned_to IS NOT NULL AND r.claimed_by IS NULL

-- name: choose_of_assignee
SELECT r.id, r.state FROM reads r WHERE r.assigned_to = $1 AND r.claimed_by IS NULL

-- name: choose_due
SELECT r.id FROM reads r
WHERE r.state IN ('waiting', 'drafted', 'written', 'reviewed', 'preliminary') AND r.assigned_to IS NULL
    AND r.claimed_by IS NULL AND r.look_at_us <= $1
ORDER BY r.is_emergency DESC, r.due_at_us, r.id LIMIT 200

-- On duty, licensed, affiliated; least to do first, who let the read go last. The author of a written report is no candidate.
-- name: choose_candidates
SELECT d.login, d.name, l.n, d.login = coalesce(r.passed_over, '') FROM reads r
JOIN agreements a ON a.code = r.agreement AND a.version = r.agreement_version
JOIN affiliations f ON f.org = a.invited JOIN doctors d ON d.login = f.login
CROSS JOIN LATERAL (SELECT count(*) AS n, coalesce(max(x.assigned_at_us), 0) AS last FROM reads x
    WHERE x.assigned_to = d.login) l
WHERE r.id = $1 AND d.is_on_duty AND doctor_fits(r, d.login, $2)
    AND NOT (r.state IN ('written', 'reviewed', 'preliminary') AND d.login = coalesce(r.author, ''))
ORDER BY d.login = coalesce(r.passed_over, ''), d.login = coalesce(r.reviewer, '') DESC, l.n, l.last, d.login

-- name: choose_nobody
UPDATE reads SET look_at_us = $2, reason = $3, reason_en = $4,
    changed_at_us = CASE WHEN reason = $3 THEN changed_at_us ELSE $5 END WHERE id = $1

-- name: choose_again
WITH l AS (UPDATE assign_settings SET loads = loads + 1)
UPDATE reads SET look_at_us = 0 WHERE look_at_us > 0
