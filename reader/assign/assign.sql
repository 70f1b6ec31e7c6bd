-- Reads: the row, its changes, its log.

-- name: assign_read
SELECT * FROM read_rows WHERE id = $1

-- name: assign_read_of_study
SELECT * FROM read_rows WHERE tenant = $1 AND study_uid = $2

-- name: assign_lock
SELECT state, author, claimed_by, lease_until_us, version, revision, covered_revision, agreement IS NOT NULL, is_emergency,
    assigned_to, reviewer
FROM reads WHERE id = $1 FOR UPDATE

-- name: assign_state_set
UPDATE reads SET state = $2, changed_at_us = $3 WHERE id = $1

-- name: assign_log_add
WITH l AS MATERIALIZED (SELECT pg_advisory_xact_lock(7267702))
INSERT INTO read_events (seq, read_id, at_us, actor, event, detail)
SELECT nextval('read_event_seq'), $1, $2, $3, $4, $5 FROM l

-- The log's last number, and how often master data were loaded.
-- name: assign_log_last
SELECT coalesce((SELECT max(seq) FROM read_events), 0), s.loads FROM assign_settings s

-- name: assign_log_after
SELECT e.seq, e.read_id, e.at_us, r.tenant, r.study_uid, e.actor, e.event, e.detail
FROM read_events e JOIN reads r ON r.id = e.read_id
WHERE e.seq > $2 AND ($1 = 0::bigint OR e.read_id = $1) ORDER BY e.seq LIMIT $3

-- name: assign_take_agreement
UPDATE reads r SET agreement = a.code, agreement_version = a.version, look_at_us = 0, reason = '', reason_en = '',
    due_at_us = r.closed_at_us + CASE WHEN r.is_emergency THEN a.emergency_us ELSE a.routine_us END
FROM agreements a WHERE r.id = $1 AND a.code = $2 AND a.version = $3

-- name: assign_drop_agreement
UPDATE reads SET agreement = NULL, agreement_version = NULL, due_at_us = 0, assigned_to = NULL, claimed_by = NULL,
    lease_until_us = 0, look_at_us = 0, reason = $2, reason_en = $3 WHERE id = $1

-- name: assign_take_reader
UPDATE reads SET assigned_to = $2, assigned_at_us = $5, reason = $3, reason_en = $4 WHERE id = $1

-- name: assign_drop_reader
UPDATE reads SET assigned_to = NULL, look_at_us = 0, reason = $2, reason_en = $3 WHERE id = $1

-- name: assign_take_lease
UPDATE reads SET claimed_by = $2, lease_until_us = $3 + lease_us(modality), assigned_to = $2,
    assigned_at_us = CASE WHEN assigned_to = $2 THEN assigned_at_us ELSE $3 END,
    reason = CASE WHEN assigned_to = $2 THEN reason ELSE $4 END,
    reason_en = CASE WHEN assigned_to = $2 THEN reason_en ELSE $5 END
WHERE id = $1

-- name: assign_renew
UPDATE reads SET lease_until_us = $3 + lease_us(modality) WHERE id = $1 AND claimed_by = $2 AND lease_until_us > $3
RETURNING lease_until_us

-- name: assign_drop_lease
UPDATE reads SET passed_over = claimed_by, claimed_by = NULL, lease_until_us = 0, assigned_to = NULL, look_at_us = 0,
    reason = $2, reason_en = $3 WHERE id = $1

-- name: assign_take_author
UPDATE reads SET author = $2, reviewer = NULL, claimed_by = $2, assigned_to = $2, passed_over = NULL,
    lease_until_us = greatest(CASE WHEN claimed_by = $2 THEN lease_until_us ELSE 0 END, $3 + lease_us(modality))
WHERE id = $1

-- name: assign_pass_on
UPDATE reads r SET author = CASE WHEN $4::boolean AND r.author IS NOT NULL THEN r.author ELSE $2 END, reviewer = NULL,
    claimed_by = NULL, lease_until_us = 0, assigned_to = NULL, passed_over = NULL, look_at_us = 0, reason = '', reason_en = '',
    is_late = r.is_late AND r.version > 0,
    due_at_us = CASE WHEN $4::boolean THEN $3 + coalesce((SELECT a.routine_us FROM agreements a
        WHERE a.code = r.agreement AND a.version = r.agreement_version), 0) ELSE r.due_at_us END
WHERE id = $1

-- name: assign_take_reviewer
UPDATE reads SET reviewer = $2, claimed_by = $2, assigned_to = $2,
    lease_until_us = greatest(CASE WHEN claimed_by = $2 THEN lease_until_us ELSE 0 END, $3 + lease_us(modality))
WHERE id = $1

-- name: assign_give_back
UPDATE reads SET claimed_by = NULL, lease_until_us = 0, reviewer = NULL, assigned_to = author, passed_over = NULL, look_at_us = 0,
    reason = $2, reason_en = $3 WHERE id = $1

-- name: assign_mark_late
UPDATE reads SET is_late = true WHERE id = $1

-- name: assign_let_go
UPDATE reads SET claimed_by = NULL, lease_until_us = 0, assigned_to = NULL, passed_over = NULL, reason = '', reason_en = '' WHERE id = $1

-- name: assign_drop_late
UPDATE reads SET is_late = false WHERE id = $1

-- name: assign_nothing_stands
UPDATE reads SET version = 0, covered_revision = 0, covered = 0, is_preliminary = false, is_late = false WHERE id = $1

-- name: assign_cover
UPDATE reads SET version = $2, covered_revision = $3, covered = $4, is_preliminary = $5, is_late = revision > $3 WHERE id = $1

-- name: assign_agreement_of_read
SELECT a.code, a.version, a.may_read_alone, a.canonical, a.sha256
FROM reads r JOIN agreements a ON a.code = r.agreement AND a.version = r.agreement_version WHERE r.id = $1

-- name: assign_urgency
UPDATE reads r SET is_emergency = $2, changed_at_us = $3, due_at_us = CASE WHEN a.code IS NULL THEN 0
    WHEN r.state IN ('unagreed', 'waiting', 'assigned', 'claimed', 'drafted', 'written', 'reviewed')
        THEN r.closed_at_us + CASE WHEN $2::boolean THEN a.emergency_us ELSE a.routine_us END
    ELSE r.due_at_us END
FROM reads x LEFT JOIN agreements a ON a.code = x.agreement AND a.version = x.agreement_version
WHERE x.id = r.id AND r.id = $1

-- name: assign_may_see
SELECT read_is_seen(r, $2, $3, $4) FROM reads r WHERE r.id = $1

-- Whose licence, agreement and modalities agree on this read now; and does the read have an agreement at all?
-- name: assign_fits
SELECT doctor_fits(r, $2, $3) FROM reads r WHERE r.id = $1

-- A prior is of the same patient: the same number, and the same name or birth date and sex beside it (assign_priors too).
-- name: assign_see_study
SELECT r.tenant, read_is_seen(r, $2, $3, $4), r.whole >= r.instances FROM reads r WHERE r.study_uid = $1 AND (read_is_seen(r, $2, $3, $4)
    OR (r.patient_id <> '' AND EXISTS (SELECT FROM reads o WHERE o.tenant = r.tenant AND o.patient_id = r.patient_id
        AND o.patient_id <> '' AND o.issuer = r.issuer AND o.id <> r.id AND ((o.patient_name <> '' AND o.patient_name = r.patient_name)
            OR (o.birth <> '' AND o.birth = r.birth AND o.sex = r.sex))
        AND read_is_seen(o, $2, $3, $4))))
ORDER BY 2 DESC, r.id LIMIT 2

-- name: assign_holder
SELECT claimed_by, lease_until_us FROM reads WHERE id = $1

-- name: assign_priors
SELECT p.study_uid, p.study_date, p.modality, p.description, p.id, p.state, p.version, p.body_part
FROM reads r JOIN reads p ON p.tenant = r.tenant AND p.patient_id = r.patient_id AND p.patient_id <> '' AND p.issuer = r.issuer AND p.id <> r.id
    AND ((p.patient_name <> '' AND p.patient_name = r.patient_name)
        OR (p.birth <> '' AND p.birth = r.birth AND p.sex = r.sex))
WHERE r.id = $1 AND r.patient_id <> '' AND NOT EXISTS (SELECT FROM study_doubts s WHERE s.tenant = r.tenant
    AND s.study_uid IN (r.study_uid, p.study_uid) AND s.is_corrected) -- they name the wrong person
ORDER BY p.study_date DESC, p.study_time DESC, p.id DESC LIMIT 50

-- The worklist. $4 state ('open': all but what is done), $5 modality, $6 whose, $7 now. Who sees what is
-- read_is_seen()'s rule, written for many rows at once; test_assign_rights holds the two together. OFFSET 0: what a row tells is
-- looked up row by row, not for all reads there are.
-- name: assign_worklist
WITH top AS MATERIALIZED (
    SELECT r.id, row_number() OVER (ORDER BY r.state IN ('signed', 'amended', 'withdrawn') AND NOT r.is_late,
        r.is_emergency DESC, CASE WHEN r.due_at_us = 0 THEN r.closed_at_us ELSE r.due_at_us END, r.id) AS place
    FROM reads r
    WHERE (r.tenant = $1
            OR (r.agreement, r.agreement_version) IN (SELECT a.code, a.version FROM agreements a
                JOIN affiliations f ON f.org = a.invited WHERE f.login = $2)
            OR r.tenant IN (SELECT o.code FROM organisations o JOIN organisations s ON s.code = $3
                WHERE starts_with(o.path, s.path)))
        AND (CASE $4 WHEN '' THEN r.state NOT IN ('signed', 'amended', 'withdrawn') OR r.is_late
                    OR r.changed_at_us > $7 - 259200000000::bigint
                WHEN 'open' THEN r.state NOT IN ('signed', 'amended', 'withdrawn') OR r.is_late
                ELSE r.state = $4 END)
        AND ($5 = '' OR $5 = ANY (r.modalities))
        AND ($6 = '' OR $6 IN (coalesce(r.assigned_to, ''), coalesce(r.claimed_by, ''))
            OR ((r.is_late OR r.state IN ('signed', 'amended', 'withdrawn'))
                AND $6 IN (coalesce(r.author, ''), coalesce(r.reviewer, ''))))
    ORDER BY place LIMIT 500)
SELECT v.* FROM top CROSS JOIN LATERAL (SELECT * FROM read_rows v WHERE v.id = top.id OFFSET 0) v ORDER BY top.place

-- What is done, latest first. $4 state or 'done'; the rest as above ($6 is '', $7 not used). Who sees few clinics gets the latest of
-- each; who sees many, those among the latest of all.
-- name: assign_worklist_done
WITH whose AS MATERIALIZED (
    SELECT $1::text AS tenant WHERE $1 IS NOT NULL
    UNION SELECT o.code FROM organisations o JOIN organisations s ON s.code = $3 WHERE starts_with(o.path, s.path)
), under AS MATERIALIZED (
    SELECT DISTINCT a.code, a.version FROM agreements a JOIN affiliations f ON f.org = a.invited WHERE f.login = $2
), few AS MATERIALIZED (SELECT (SELECT count(*) FROM whose) + (SELECT count(*) FROM under) <= 32 AS are), top AS MATERIALIZED (
    SELECT * FROM (
        SELECT r.id, r.changed_at_us FROM whose CROSS JOIN LATERAL (SELECT r.id, r.changed_at_us FROM reads r
            WHERE r.tenant = whose.tenant AND r.state IN ('signed', 'amended', 'withdrawn') AND ($4 = 'done' OR r.state = $4)
                AND ($5 = '' OR $5 = ANY (r.modalities))
            ORDER BY r.changed_at_us DESC LIMIT 500) r WHERE (SELECT are FROM few)
        UNION
        SELECT r.id, r.changed_at_us FROM under CROSS JOIN LATERAL (SELECT r.id, r.changed_at_us FROM reads r
            WHERE r.agreement = under.code AND r.agreement_version = under.version
                AND r.state IN ('signed', 'amended', 'withdrawn') AND ($4 = 'done' OR r.state = $4)
                AND ($5 = '' OR $5 = ANY (r.modalities))
            ORDER BY r.changed_at_us DESC LIMIT 500) r WHERE (SELECT are FROM few)
        UNION ALL
        (SELECT r.id, r.changed_at_us FROM reads r
        WHERE NOT (SELECT are FROM few) AND (r.tenant IN (SELECT tenant FROM whose)
                OR (r.agreement, r.agreement_version) IN (SELECT code, version FROM under))
            AND r.state IN ('signed', 'amended', 'withdrawn') AND ($4 = 'done' OR r.state = $4)
            AND ($5 = '' OR $5 = ANY (r.modalities))
        ORDER BY r.changed_at_us DESC LIMIT 500)) r
    WHERE $6::text = '' AND $7::bigint > 0 ORDER BY r.changed_at_us DESC LIMIT 500)
SELECT v.* FROM top CROSS JOIN LATERAL (SELECT * FROM read_rows v WHERE v.id = top.id OFFSET 0) v ORDER BY top.changed_at_us DESC

-- The same of what one person wrote or reviewed ($6).
-- name: assign_worklist_done_by
WITH under AS MATERIALIZED (
    SELECT a.code, a.version FROM agreements a JOIN affiliations f ON f.org = a.invited WHERE f.login = $2
), whose AS MATERIALIZED (
    SELECT $1::text AS tenant WHERE $1 IS NOT NULL
    UNION SELECT o.code FROM organisations o JOIN organisations s ON s.code = $3 WHERE starts_with(o.path, s.path)
), top AS MATERIALIZED (
    SELECT * FROM (
        (SELECT r.id, r.changed_at_us FROM reads r
        WHERE r.author = $6 AND (r.tenant IN (SELECT tenant FROM whose)
                OR (r.agreement, r.agreement_version) IN (SELECT code, version FROM under))
            AND r.state IN ('signed', 'amended', 'withdrawn') AND ($4 = 'done' OR r.state = $4)
            AND ($5 = '' OR $5 = ANY (r.modalities))
        ORDER BY r.changed_at_us DESC LIMIT 500)
        UNION
        (SELECT r.id, r.changed_at_us FROM reads r
        WHERE r.reviewer = $6 AND (r.tenant IN (SELECT tenant FROM whose)
                OR (r.agreement, r.agreement_version) IN (SELECT code, version FROM under))
            AND r.state IN ('signed', 'amended', 'withdrawn') AND ($4 = 'done' OR r.state = $4)
            AND ($5 = '' OR $5 = ANY (r.modalities))
        ORDER BY r.changed_at_us DESC LIMIT 500)) r
    WHERE $7::bigint > 0 ORDER BY r.changed_at_us DESC LIMIT 500)
SELECT v.* FROM top CROSS JOIN LATERAL (SELECT * FROM read_rows v WHERE v.id = top.id OFFSET 0) v ORDER BY top.changed_at_us DESC

-- name: assign_organisations
SELECT o.code, o.name, o.kind, coalesce(o.parent, '') FROM organisations o ORDER BY o.path

-- name: assign_org
SELECT o.name, o.path FROM organisations o WHERE o.code = $1

-- name: assign_org_within
SELECT EXISTS (SELECT FROM organisations a JOIN organisations b ON b.code = $2
    WHERE a.code = $1 AND starts_with(a.path, b.path))

-- name: assign_agreements
SELECT a.code, a.version, a.inviting, a.invited, array_to_string(a.modalities, ' '), a.valid_from_us, a.valid_until_us,
    a.routine_us, a.emergency_us, a.may_read_alone
FROM agreements a ORDER BY a.code, a.version DESC

-- name: assign_doctors
SELECT d.login, d.name, d.licence, d.valid_from_us, d.valid_until_us, array_to_string(d.modalities, ' '), d.is_on_duty,
    (SELECT count(*) FROM reads r WHERE r.assigned_to = d.login),
    coalesce((SELECT string_agg(f.org, ' ' ORDER BY f.place) FROM affiliations f WHERE f.login = d.login), ''),
    coalesce((SELECT f.org FROM affiliations f WHERE f.login = d.login ORDER BY f.place LIMIT 1), ''),
    coalesce((SELECT o.name FROM affiliations f JOIN organisations o ON o.code = f.org
        WHERE f.login = d.login ORDER BY f.place LIMIT 1), '')
FROM doctors d WHERE $1::text IS NULL OR d.login = $1 ORDER BY d.login

-- name: assign_duty
UPDATE doctors SET is_on_duty = $2, changed_at_us = $3 WHERE login = $1 RETURNING login
