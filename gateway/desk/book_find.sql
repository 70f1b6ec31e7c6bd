-- For people. ?1: what was typed, in small letters; ?2: the same without blanks and ^; ?3: digest of a slip's code, or "".
-- name: registration_search
WITH hit (registration) AS MATERIALIZED (
    SELECT p.registration FROM registration p WHERE ?1 = '' OR instr(lower(p.name), ?1) > 0 OR instr(lower(p.registration), ?1) > 0
        OR instr(lower(p.citizen_id), ?1) > 0 OR (?2 <> '' AND instr(p.phone, ?2) > 0) OR (?3 <> '' AND p.slip_sha256 = ?3)
    UNION SELECT o.registration FROM orders o WHERE ?1 <> '' AND (
        (?2 <> '' AND instr(replace(replace(lower(o.pinyin), '^', ''), ' ', ''), ?2) > 0) OR instr(lower(o.patient_id), ?1) > 0
        OR instr(lower(o.accession), ?1) > 0 OR (instr(o.placer, char(10)) = 0 AND instr(lower(o.placer), ?1) > 0)))
SELECT r.registration, r.at_us, r.changed_at_us, r.revision, r.name, r.citizen_id, r.sex, r.birth, r.phone,
    r.is_phone_verified, r.modality, r.complaint, r.history, r.is_urgent, r.reason, r.study, r.attached_by, r.slip_at_us,
    coalesce((SELECT d.state FROM read d WHERE d.study = r.study AND r.study <> '' ORDER BY d.number = 0, d.read_id DESC LIMIT 1), ''),
    (SELECT count(*) FROM outbox o WHERE o.registration = r.registration AND o.outcome = ''),
    coalesce((SELECT o.kind || ' ' || o.word FROM outbox o
        WHERE o.registration = r.registration AND o.outcome = 'refused' ORDER BY o.n DESC LIMIT 1), ''),
    coalesce((SELECT CASE o.outcome WHEN '' THEN 'unsent' ELSE o.word END FROM outbox o
        WHERE o.registration = r.registration AND o.kind IN ('phone_code', 'phone_check') ORDER BY o.n DESC LIMIT 1), ''),
    (SELECT count(*) FROM hit)
FROM registration r WHERE r.registration IN (SELECT n.registration FROM registration n JOIN hit h ON h.registration = n.registration
    ORDER BY n.at_us DESC, n.registration DESC LIMIT ?4 OFFSET ?5)
ORDER BY r.at_us DESC, r.registration DESC
