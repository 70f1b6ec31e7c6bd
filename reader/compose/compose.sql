-- Queries of reports; the tables are in migrations/0003_compose.sql.

-- ---- the version in work ----

-- name: work_make
INSERT INTO report (read_id) VALUES ($1) ON CONFLICT (read_id) DO NOTHING

-- name: work_find
SELECT base, exam, findings, impression, saved_by, saved_at_us, author, written_at_us, reviewer, reviewed_at_us,
       returned_reason, amend_reason, versions, array_to_string(writers, E'\n'),
       (SELECT count(*) FROM report_version v WHERE v.read_id = r.read_id AND v.kind = 0)
FROM report r WHERE read_id = $1

-- name: work_lock
SELECT base, exam, findings, impression, saved_by, saved_at_us, author, written_at_us, reviewer, reviewed_at_us,
       returned_reason, amend_reason, versions, array_to_string(writers, E'\n'),
       (SELECT count(*) FROM report_version v WHERE v.read_id = r.read_id AND v.kind = 0)
FROM report r WHERE read_id = $1 FOR UPDATE OF r

-- name: work_texts
UPDATE report SET exam = coalesce($2, exam), findings = coalesce($3, findings), impression = coalesce($4, impression)
WHERE read_id = $1

-- name: work_saved
UPDATE report SET base = base + 1, saved_by = $2, saved_at_us = $3,
    writers = CASE WHEN $2::text = ANY (writers) THEN writers ELSE writers || $2::text END
WHERE read_id = $1

-- name: work_written
UPDATE report SET base = base + 1, author = $2, written_at_us = $3, reviewer = '', reviewed_at_us = 0,
    returned_reason = '',
    writers = CASE WHEN $2::text = ANY (writers) THEN writers ELSE writers || $2::text END
WHERE read_id = $1

-- name: work_reviewed
UPDATE report SET base = base + 1, reviewer = $2, reviewed_at_us = $3, returned_reason = '' WHERE read_id = $1

-- name: work_returned
UPDATE report SET base = base + 1, returned_reason = $2, reviewer = '', reviewed_at_us = 0 WHERE read_id = $1

-- name: work_amending
UPDATE report SET base = base + 1, amend_reason = $2, author = '', written_at_us = 0, reviewer = '',
    reviewed_at_us = 0, returned_reason = '', writers = '{}'
WHERE read_id = $1

-- name: work_signed
UPDATE report SET base = base + 1, versions = $2, amend_reason = '' WHERE read_id = $1

-- name: work_changed
UPDATE report SET base = base + 1 WHERE read_id = $1

-- name: history_add
INSERT INTO report_history (read_id, base, at_us, actor, action, reason, exam, findings, impression)
SELECT read_id, base, $2, $3, $4, $5, exam, findings, impression FROM report WHERE read_id = $1

-- ---- what was shown ----

-- name: shown_opened
INSERT INTO report_shown (read_id, login, sop_instance, opened_at_us)
SELECT $1, $2, s, $4 FROM unnest($3::text[]) s
ON CONFLICT (read_id, login, sop_instance) DO NOTHING

-- name: shown_proved
INSERT INTO report_shown (read_id, login, sop_instance, opened_at_us, proved_at_us, revision)
SELECT $1, $2, s, $4, $4, $5 FROM unnest($3::text[]) s
ON CONFLICT (read_id, login, sop_instance)
DO UPDATE SET proved_at_us = EXCLUDED.proved_at_us, revision = EXCLUDED.revision
WHERE report_shown.proved_at_us = 0

-- name: shown_all
SELECT sop_instance, opened_at_us, proved_at_us FROM report_shown WHERE read_id = $1 AND login = $2

-- name: shown_count
SELECT count(*) FILTER (WHERE proved_at_us > 0), count(*) FILTER (WHERE proved_at_us = 0)
FROM report_shown WHERE read_id = $1 AND login = $2

-- Of the list that was closed at a person's first look; 0: they never looked.
-- name: shown_first
SELECT coalesce(min(revision), 0) FROM report_shown WHERE read_id = $1 AND login = $2 AND proved_at_us > 0

-- name: shown_lacks
SELECT count(*) FROM unnest($3::text[]) s WHERE NOT EXISTS (SELECT FROM report_shown r
    WHERE r.read_id = $1 AND r.login = $2 AND r.sop_instance = s AND r.proved_at_us > 0)

-- ---- signed versions ----

-- name: report_version_count
SELECT versions FROM report WHERE read_id = $1

-- name: report_versions
SELECT v.version, v.kind::integer, v.signed_at_us, v.sha256, v.token, v.verify_base, v.withdrawn_at_us, v.withdrawn_reason,
       v.canonical, CASE WHEN v.version < r.versions THEN v.version + 1 ELSE 0 END,
       v.looked_at_us, v.looked_by, v.looked_reason
FROM report_version v JOIN report r ON r.read_id = v.read_id WHERE v.read_id = $1 ORDER BY v.version DESC

-- name: report_add
INSERT INTO report_version (read_id, version, kind, tenant, study_uid, signed_at_us, written_at_us, verify_base, signer,
                            covers, canonical, sha256, manifest, agreement, cms, token)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)

-- name: report_find
SELECT v.read_id, v.version, v.canonical, v.manifest, v.agreement, v.cms, v.signed_at_us, v.written_at_us,
       v.withdrawn_at_us, v.withdrawn_reason, v.stored_at_us,
       CASE WHEN v.version < r.versions THEN v.version + 1 ELSE 0 END, v.verify_base,
       v.looked_at_us, v.looked_by, v.looked_reason
FROM report_version v JOIN report r ON r.read_id = v.read_id
WHERE v.read_id = $1 AND v.version = CASE WHEN $2::integer = 0 THEN r.versions ELSE $2 END

-- name: report_by_token
SELECT v.read_id, v.version, v.canonical, v.manifest, v.agreement, v.cms, v.signed_at_us, v.written_at_us,
       v.withdrawn_at_us, v.withdrawn_reason, v.stored_at_us,
       CASE WHEN v.version < r.versions THEN v.version + 1 ELSE 0 END, v.verify_base,
       v.looked_at_us, v.looked_by, v.looked_reason
FROM report_version v JOIN report r ON r.read_id = v.read_id
WHERE v.token = $1

-- name: report_withdraw
UPDATE report_version SET withdrawn_at_us = $3, withdrawn_by = $4, withdrawn_reason = $5, withdrawal = $6,
    withdrawal_cms = $7
WHERE read_id = $1 AND version = $2 AND withdrawn_at_us = 0

-- name: report_looked
UPDATE report_version SET looked_at_us = $3, looked_by = $4, looked_reason = $5 WHERE read_id = $1 AND version = $2

-- name: report_withdrawal
SELECT withdrawal, withdrawal_cms FROM report_version WHERE read_id = $1 AND version = $2 AND withdrawn_at_us > 0

-- ---- documents ----

-- name: documents_due
SELECT read_id, version FROM report_version WHERE stored_at_us = 0 ORDER BY store_tries, signed_at_us LIMIT 64

-- name: document_add
INSERT INTO report_document (read_id, version, kind, series_uid, sop_instance, bytes) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT DO NOTHING

-- name: documents_find
SELECT kind, series_uid, sop_instance, bytes FROM report_document WHERE read_id = $1 AND version = $2 ORDER BY kind

-- name: documents_stored
UPDATE report_version SET stored_at_us = $3 WHERE read_id = $1 AND version = $2 AND stored_at_us = 0

-- The archive has them in no file any more: they are due again.
-- name: documents_missing
UPDATE report_version SET stored_at_us = 0, store_tries = 0 WHERE read_id = $1 AND stored_at_us > 0

-- name: documents_failed
UPDATE report_version SET store_tries = store_tries + 1 WHERE read_id = $1 AND version = $2

-- Is it known, is any, and was anything signed?
-- name: authority_find
SELECT EXISTS (SELECT FROM signing_authority WHERE sha256 = $1), EXISTS (SELECT FROM signing_authority),
    EXISTS (SELECT FROM report_version)

-- name: authority_put
INSERT INTO signing_authority (sha256, since_us, said_by, is_noted) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING

-- name: authority_unnoted
SELECT sha256, said_by FROM signing_authority WHERE NOT is_noted

-- name: authority_noted
UPDATE signing_authority SET is_noted = true WHERE sha256 = $1
