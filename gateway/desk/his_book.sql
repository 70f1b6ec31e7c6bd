-- name: his_target_find
SELECT since_us FROM his_target WHERE target = ?1

-- name: his_target_add
INSERT INTO his_target (target, since_us) VALUES (?1, ?2)

-- name: his_owe_before
INSERT INTO his_delivery (target, read_id, version, event, state, made_at_us)
SELECT ?1, read_id, version, 'report', 'before', ?2 FROM report WHERE signed_at_us <> 0 ORDER BY received_at_us
ON CONFLICT DO NOTHING

-- name: his_owe_before_withdrawn
INSERT INTO his_delivery (target, read_id, version, event, state, made_at_us)
SELECT ?1, read_id, version, 'withdrawn', 'before', ?2 FROM report WHERE standing = 'withdrawn' ORDER BY received_at_us
ON CONFLICT DO NOTHING

-- name: his_owe_reports
INSERT INTO his_delivery (target, read_id, version, event, made_at_us)
SELECT ?1, r.read_id, r.version, 'report', ?2 FROM report r NOT INDEXED
WHERE r.rowid > (SELECT t.owed FROM his_target t WHERE t.target = ?1) AND r.signed_at_us <> 0 AND NOT EXISTS (
    SELECT 1 FROM his_delivery d WHERE d.target = ?1 AND d.read_id = r.read_id AND d.version = r.version AND d.event = 'report')
ORDER BY r.rowid

-- name: his_owed
UPDATE his_target SET owed = (SELECT max(rowid) FROM report) WHERE target = ?1 AND owed < (SELECT max(rowid) FROM report)

-- name: his_owe_withdrawals
INSERT INTO his_delivery (target, read_id, version, event, made_at_us)
SELECT ?1, r.read_id, r.version, 'withdrawn', ?2 FROM report r WHERE r.standing = 'withdrawn' AND NOT EXISTS (
    SELECT 1 FROM his_delivery d WHERE d.target = ?1 AND d.read_id = r.read_id AND d.version = r.version AND d.event = 'withdrawn')
ORDER BY r.received_at_us, r.version

-- name: his_owe_documents
INSERT INTO his_document (read_id, version, kind)
SELECT DISTINCT d.read_id, d.version, k.column1 FROM his_delivery d, (VALUES ('sr'), ('pdf'), ('text')) k
WHERE d.state = 'waiting' AND d.event = 'report' AND NOT EXISTS (
    SELECT 1 FROM his_document o WHERE o.read_id = d.read_id AND o.version = d.version AND o.kind = k.column1)

-- What a database signed that the reader has no more, and not all of which is here: it can be fetched from nobody.
-- name: his_part
UPDATE his_delivery SET state = 'refused', trouble = ?1, done_at_us = ?2
WHERE state = 'waiting' AND read_id IN (SELECT read_id FROM read WHERE number = 0) AND CASE WHEN event = 'report' THEN
    EXISTS (SELECT 1 FROM report r WHERE r.read_id = his_delivery.read_id AND r.version = his_delivery.version
        AND r.pdf_sha256 = '' AND r.standing <> 'withdrawn')
    OR EXISTS (SELECT 1 FROM his_document o WHERE o.read_id = his_delivery.read_id
        AND o.version = his_delivery.version AND o.sha256 = '')
    ELSE target = 'dicom' AND EXISTS (SELECT 1 FROM report r WHERE r.read_id = his_delivery.read_id
        AND r.version = his_delivery.version AND (r.pdf_sha256 = '' OR r.is_pdf_wanted)) END

-- name: his_newest
SELECT coalesce((SELECT n FROM his_delivery WHERE target = ?1 ORDER BY n DESC LIMIT 1), 0)

-- Of a study in the order in which things came, also of a read that a database had which is gone (queries.sql, read_part).
-- name: his_due
SELECT d.n, d.target, d.read_id, d.version, d.event, d.state, d.tries, d.round, d.next_at_us, d.made_at_us, d.done_at_us,
    d.trouble, d.receipt, d.again_by, r.standing = 'withdrawn',
    EXISTS (SELECT 1 FROM read k JOIN his_delivery o ON o.target = d.target AND o.read_id = k.read_id WHERE k.study = a.study
        AND (o.state = 'delivered' OR (o.state = 'refused' AND o.trouble NOT IN ('another_patient', 'set_back')) OR o.tries > 0 OR o.round > 0)),
    '', '', '', 0, d.is_confirmed
FROM his_delivery d JOIN report r ON r.read_id = d.read_id AND r.version = d.version JOIN read a ON a.read_id = d.read_id
WHERE d.target = ?1 AND d.state = 'waiting' AND (d.next_at_us <= ?2 OR d.next_at_us > ?2 + ?3)
    AND NOT EXISTS (SELECT 1 FROM read k JOIN his_delivery e ON e.target = d.target AND e.read_id = k.read_id
        WHERE k.study = a.study AND e.state = 'waiting' AND e.n < d.n)
    AND CASE WHEN d.event = 'report' THEN r.standing = 'withdrawn' OR (r.pdf_sha256 <> '' AND NOT EXISTS (
            SELECT 1 FROM his_document o WHERE o.read_id = d.read_id AND o.version = d.version AND o.sha256 = ''))
        ELSE d.target <> 'dicom' OR (r.pdf_sha256 <> '' AND r.is_pdf_wanted = 0) END
ORDER BY d.next_at_us, d.n LIMIT 1

-- Refused for ?2, and not overtaken: the newest ?3.
-- name: his_held
SELECT d.n, d.target, d.read_id, d.version, d.event, d.state, d.tries, d.round, d.next_at_us, d.made_at_us, d.done_at_us,
    d.trouble, d.receipt, d.again_by, 0, 0, '', '', '', 0, 0
FROM his_delivery d JOIN report r ON r.read_id = d.read_id AND r.version = d.version
WHERE d.target = ?1 AND d.state = 'refused' AND d.trouble = ?2 AND d.event = 'report' AND r.standing = 'valid'
    AND NOT EXISTS (SELECT 1 FROM report l WHERE l.read_id = d.read_id AND l.version > d.version)
ORDER BY d.n DESC LIMIT ?3

-- Refused, and a later version or a withdrawal counts by now: the oldest ?2.
-- name: his_overtaken
SELECT d.n FROM his_delivery d JOIN report r ON r.read_id = d.read_id AND r.version = d.version
WHERE d.target = ?1 AND d.state = 'refused' AND ((d.event = 'report' AND r.standing <> 'valid') OR EXISTS (
    SELECT 1 FROM report l WHERE l.read_id = d.read_id AND l.version > d.version))
ORDER BY d.n LIMIT ?2

-- name: his_find
SELECT d.state, d.tries, d.round, (d.event = 'report' AND r.standing <> 'valid') OR EXISTS (
    SELECT 1 FROM report l WHERE l.read_id = d.read_id AND l.version > d.version), d.trouble, d.is_confirmed
FROM his_delivery d JOIN report r ON r.read_id = d.read_id AND r.version = d.version WHERE d.n = ?1

-- name: his_trying
UPDATE his_delivery SET tries = tries + 1 WHERE n = ?1 AND state = 'waiting'

-- name: his_told_put
UPDATE his_delivery SET told = ?2 WHERE n = ?1 AND told <> ?2

-- name: his_told_get
SELECT d.told FROM read a JOIN read k ON k.study = a.study JOIN his_delivery d ON d.target = ?1 AND d.read_id = k.read_id
WHERE a.read_id = ?2 AND d.event = 'report' AND d.told <> ''
ORDER BY d.read_id = ?2 DESC, d.version = ?3 DESC, d.version DESC LIMIT 1

-- name: his_set
UPDATE his_delivery SET state = ?2, tries = ?3, round = ?4, next_at_us = ?5, trouble = ?6, receipt = ?7, done_at_us = ?8,
    again_by = CASE WHEN ?9 <> '' THEN ?9 ELSE again_by END, is_confirmed = ?10
WHERE n = ?1

-- name: his_list
WITH shown AS (
    SELECT n FROM (SELECT n FROM his_delivery WHERE state = 'refused' ORDER BY n DESC LIMIT ?1)
    UNION SELECT n FROM (SELECT n FROM his_delivery WHERE state = 'waiting' ORDER BY n DESC LIMIT ?1)
    UNION SELECT n FROM (SELECT n FROM his_delivery ORDER BY n DESC LIMIT ?1))
SELECT d.n, d.target, d.read_id, d.version, d.event, d.state, d.tries, d.round, d.next_at_us, d.made_at_us, d.done_at_us,
    d.trouble, d.receipt, d.again_by, r.standing = 'withdrawn', 0,
    coalesce((SELECT g.name FROM registration g WHERE g.study = a.study AND g.study <> ''), a.patient, ''),
    coalesce((SELECT g.registration FROM registration g WHERE g.study = a.study AND g.study <> ''), a.registration, ''),
    coalesce(a.modality, ''),
    (d.event = 'report' AND r.standing <> 'valid') OR EXISTS (
        SELECT 1 FROM report l WHERE l.read_id = d.read_id AND l.version > d.version), d.is_confirmed
FROM shown s CROSS JOIN his_delivery d ON d.n = s.n CROSS JOIN report r ON r.read_id = d.read_id AND r.version = d.version
    LEFT JOIN read a ON a.read_id = d.read_id
ORDER BY d.state <> 'refused', d.state <> 'waiting', d.n DESC LIMIT ?1

-- name: his_count
SELECT t.target,
    (SELECT count(*) FROM his_delivery d WHERE d.target = t.target AND d.state = 'waiting'),
    (SELECT count(*) FROM his_delivery d WHERE d.target = t.target AND d.state = 'refused'),
    (SELECT d.trouble FROM his_delivery d WHERE d.target = t.target AND d.state = 'waiting' AND d.trouble <> ''
        ORDER BY d.next_at_us DESC LIMIT 1)
FROM his_target t

-- name: his_document_due
UPDATE his_document SET next_at_us = max(next_at_us, 1) WHERE (read_id, version, kind) = (
    SELECT o.read_id, o.version, o.kind FROM his_document o JOIN read d ON d.read_id = o.read_id AND d.number <> 0
    WHERE o.sha256 = '' AND (o.next_at_us <= ?1 OR o.next_at_us > ?1 + ?2) ORDER BY o.next_at_us LIMIT 1)
RETURNING read_id, version, kind

-- name: his_document_put
UPDATE his_document SET sha256 = ?4, tries = 0 WHERE read_id = ?1 AND version = ?2 AND kind = ?3

-- name: his_document_failed
UPDATE his_document SET tries = tries + 1, next_at_us = ?4 + min(300000000, 500000 << min(tries, 10))
WHERE read_id = ?1 AND version = ?2 AND kind = ?3

-- name: his_document_find
SELECT sha256 FROM his_document WHERE read_id = ?1 AND version = ?2 AND kind = ?3

-- name: his_document_lost
UPDATE his_document SET sha256 = '', next_at_us = 0 WHERE read_id = ?1 AND version = ?2 AND kind = ?3

-- name: his_report_get
SELECT p.version, p.is_preliminary, p.signed_at_us, p.author, p.reviewer, p.hospital, p.verify_url, p.covers, p.present,
    p.standing, p.reason, coalesce(d.study, ''),
    coalesce((SELECT r.registration FROM registration r WHERE r.study = d.study AND r.study <> ''), d.registration, ''),
    coalesce(d.patient, ''), coalesce(d.modality, ''),
    EXISTS (SELECT 1 FROM report e WHERE e.read_id = p.read_id AND e.version < p.version AND e.is_preliminary = 0
        AND e.signed_at_us <> 0)
FROM report p LEFT JOIN read d ON d.read_id = p.read_id WHERE p.read_id = ?1 AND p.version = ?2

-- What target ?1 heard of the study of read ?2 before delivery ?3, or when that was tried first: under which number, this
-- read's own before another's; and whether there was a final report of another: one that a database signed which is gone.
-- name: his_heard
SELECT coalesce(json_extract(nullif(d.told, ''), '$.filler'), d.read_id),
    max(d.read_id <> ?2 AND r.is_preliminary = 0 AND r.signed_at_us <> 0) OVER ()
FROM read a JOIN read k ON k.study = a.study JOIN his_delivery d ON d.target = ?1 AND d.read_id = k.read_id
    JOIN report r ON r.read_id = d.read_id AND r.version = d.version
WHERE a.read_id = ?2 AND (d.n < ?3 OR (d.n = ?3 AND d.told <> '')) AND d.event = 'report'
    AND (d.state = 'delivered' OR (d.state = 'refused' AND d.trouble NOT IN ('another_patient', 'set_back')) OR d.tries > 0 OR d.round > 0)
ORDER BY d.read_id = ?2 DESC, d.n LIMIT 1
