-- name: order_add
INSERT INTO orders (source, placer, registration, state, accession, patient_id, pinyin, is_pinyin_ours, weight_g, height_mm,
    station, scheduled_at_us, procedure_id, description, code, code_scheme, code_meaning, study, referring, department,
    made_at_us, changed_at_us)
VALUES (?1, ?2, ?3, 'scheduled', ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?20)

-- name: order_change
UPDATE orders SET accession = ?2, patient_id = ?3, pinyin = ?4, is_pinyin_ours = ?5, weight_g = ?6, height_mm = ?7,
    station = ?8, scheduled_at_us = ?9, procedure_id = ?10, description = ?11, code = ?12, code_scheme = ?13,
    code_meaning = ?14, referring = ?15, department = ?16, state = ?17, changed_at_us = ?18
WHERE number = ?1

-- name: order_rename
UPDATE orders SET pinyin = ?2 WHERE registration = ?1 AND is_pinyin_ours

-- The number is the source's next order's from now on; no source writes a line end.
-- name: order_retire
UPDATE orders SET placer = placer || char(10) || number WHERE number = ?1

-- name: order_set_state
UPDATE orders SET state = ?2, changed_at_us = ?3 WHERE number = ?1

-- name: order_by_number
SELECT o.number, o.state, o.source, o.placer, o.registration, o.accession, o.patient_id, r.name, o.pinyin, r.citizen_id,
    r.sex, r.birth, r.phone, o.weight_g, o.height_mm, r.modality, o.station, o.scheduled_at_us, o.procedure_id, o.description,
    o.code, o.code_scheme, o.code_meaning, o.study, o.referring, o.department, r.is_urgent, r.reason, r.complaint, r.history,
    o.made_at_us, o.changed_at_us, r.study,
    coalesce((SELECT s.arrived_at_us FROM study s WHERE s.study = r.study AND r.study <> ''), 0), r.lowered <> ''
FROM orders o JOIN registration r ON r.registration = o.registration WHERE o.number = ?1

-- name: order_by_placer
SELECT o.number, o.state, o.source, o.placer, o.registration, o.accession, o.patient_id, r.name, o.pinyin, r.citizen_id,
    r.sex, r.birth, r.phone, o.weight_g, o.height_mm, r.modality, o.station, o.scheduled_at_us, o.procedure_id, o.description,
    o.code, o.code_scheme, o.code_meaning, o.study, o.referring, o.department, r.is_urgent, r.reason, r.complaint, r.history,
    o.made_at_us, o.changed_at_us, r.study,
    coalesce((SELECT s.arrived_at_us FROM study s WHERE s.study = r.study AND r.study <> ''), 0), r.lowered <> ''
FROM orders o JOIN registration r ON r.registration = o.registration WHERE o.source = ?1 AND o.placer = ?2

-- name: order_by_registration
SELECT o.number, o.state, o.source, o.placer, o.registration, o.accession, o.patient_id, r.name, o.pinyin, r.citizen_id,
    r.sex, r.birth, r.phone, o.weight_g, o.height_mm, r.modality, o.station, o.scheduled_at_us, o.procedure_id, o.description,
    o.code, o.code_scheme, o.code_meaning, o.study, o.referring, o.department, r.is_urgent, r.reason, r.complaint, r.history,
    o.made_at_us, o.changed_at_us, r.study,
    coalesce((SELECT s.arrived_at_us FROM study s WHERE s.study = r.study AND r.study <> ''), 0), r.lowered <> ''
FROM orders o JOIN registration r ON r.registration = o.registration WHERE o.registration = ?1
ORDER BY o.number DESC LIMIT 1

-- name: order_by_accession
SELECT o.number, o.state, o.source, o.placer, o.registration, o.accession, o.patient_id, r.name, o.pinyin, r.citizen_id,
    r.sex, r.birth, r.phone, o.weight_g, o.height_mm, r.modality, o.station, o.scheduled_at_us, o.procedure_id, o.description,
    o.code, o.code_scheme, o.code_meaning, o.study, o.referring, o.department, r.is_urgent, r.reason, r.complaint, r.history,
    o.made_at_us, o.changed_at_us, r.study,
    coalesce((SELECT s.arrived_at_us FROM study s WHERE s.study = r.study AND r.study <> ''), 0), r.lowered <> ''
FROM orders o JOIN registration r ON r.registration = o.registration
WHERE o.number IN (SELECT a.number FROM orders a WHERE a.accession = ?1 AND a.accession <> ''
    UNION SELECT a.number FROM orders a WHERE a.registration = ?1 AND a.accession = '')
ORDER BY o.number DESC LIMIT 1

-- name: order_by_study
SELECT o.number, o.state, o.source, o.placer, o.registration, o.accession, o.patient_id, r.name, o.pinyin, r.citizen_id,
    r.sex, r.birth, r.phone, o.weight_g, o.height_mm, r.modality, o.station, o.scheduled_at_us, o.procedure_id, o.description,
    o.code, o.code_scheme, o.code_meaning, o.study, o.referring, o.department, r.is_urgent, r.reason, r.complaint, r.history,
    o.made_at_us, o.changed_at_us, r.study,
    coalesce((SELECT s.arrived_at_us FROM study s WHERE s.study = r.study AND r.study <> ''), 0), r.lowered <> ''
FROM orders o JOIN registration r ON r.registration = o.registration
WHERE ?1 <> '' AND o.number IN (SELECT a.number FROM orders a WHERE a.study = ?1
    UNION SELECT b.number FROM orders b JOIN registration g ON g.registration = b.registration
    WHERE g.study = ?1 AND g.study <> '')
ORDER BY o.study = ?1 DESC, o.number DESC LIMIT 1

-- name: order_list
SELECT o.number, o.state, o.source, o.placer, o.registration, o.accession, o.patient_id, r.name, o.pinyin, r.citizen_id,
    r.sex, r.birth, r.phone, o.weight_g, o.height_mm, r.modality, o.station, o.scheduled_at_us, o.procedure_id, o.description,
    o.code, o.code_scheme, o.code_meaning, o.study, o.referring, o.department, r.is_urgent, r.reason, r.complaint, r.history,
    o.made_at_us, o.changed_at_us, r.study,
    coalesce((SELECT s.arrived_at_us FROM study s WHERE s.study = r.study AND r.study <> ''), 0), r.lowered <> ''
FROM orders o JOIN registration r ON r.registration = o.registration
WHERE (o.scheduled_at_us, o.number) > (?1, ?5) AND o.scheduled_at_us <= ?2
    AND (?3 = 0 OR o.state IN ('scheduled', 'in_progress'))
ORDER BY o.scheduled_at_us, o.number LIMIT ?4

-- For people. ?1: what was typed; ?4, ?5: when this day begins and ends. This day's come first, then those of days to come.
-- name: order_search
SELECT o.number, o.state, o.source, o.placer, o.registration, o.accession, o.patient_id, r.name, o.pinyin, r.citizen_id,
    r.sex, r.birth, r.phone, o.weight_g, o.height_mm, r.modality, o.station, o.scheduled_at_us, o.procedure_id, o.description,
    o.code, o.code_scheme, o.code_meaning, o.study, o.referring, o.department, r.is_urgent, r.reason, r.complaint, r.history,
    o.made_at_us, o.changed_at_us, r.study,
    coalesce((SELECT s.arrived_at_us FROM study s WHERE s.study = r.study AND r.study <> ''), 0), r.lowered <> ''
FROM orders o JOIN registration r ON r.registration = o.registration
WHERE o.scheduled_at_us > ?2 AND o.scheduled_at_us <= ?3 AND (?1 = '' OR instr(lower(r.name), lower(?1)) > 0
    OR instr(replace(lower(o.pinyin), '^', ' '), lower(?1)) > 0 OR instr(lower(o.patient_id), lower(?1)) > 0
    OR instr(lower(r.citizen_id), lower(?1)) > 0 OR instr(lower(o.accession), lower(?1)) > 0
    OR instr(lower(o.registration), lower(?1)) > 0
    OR (instr(o.placer, char(10)) = 0 AND instr(lower(o.placer), lower(?1)) > 0))
ORDER BY o.scheduled_at_us < ?4, o.scheduled_at_us >= ?5,
    CASE WHEN o.scheduled_at_us >= ?5 THEN o.scheduled_at_us ELSE -o.scheduled_at_us END, o.number DESC LIMIT ?6 OFFSET ?7

-- name: order_search_count
SELECT count(*) FROM orders o JOIN registration r ON r.registration = o.registration
WHERE o.scheduled_at_us > ?2 AND o.scheduled_at_us <= ?3 AND (?1 = '' OR instr(lower(r.name), lower(?1)) > 0
    OR instr(replace(lower(o.pinyin), '^', ' '), lower(?1)) > 0 OR instr(lower(o.patient_id), lower(?1)) > 0
    OR instr(lower(r.citizen_id), lower(?1)) > 0 OR instr(lower(o.accession), lower(?1)) > 0
    OR instr(lower(o.registration), lower(?1)) > 0
    OR (instr(o.placer, char(10)) = 0 AND instr(lower(o.placer), lower(?1)) > 0))

-- name: order_of_accession
SELECT number FROM orders WHERE number = ?1 AND ?2 <> '' AND (accession = ?2 OR (accession = '' AND registration = ?2))
