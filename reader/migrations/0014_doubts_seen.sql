-- As in 0013, and: of which of the clinic's words a row tells, so that a doctor confirms those that the page showed.
CREATE OR REPLACE VIEW read_rows AS
SELECT r.id, r.tenant, coalesce(c.name, r.tenant) AS clinic, r.study_uid, r.modality,
    array_to_string(r.modalities, ' ') AS modalities, r.body_part, r.description, r.accession,
    coalesce(nullif(w.patient_name, ''), q.patient_name, '') AS patient_name,
    coalesce(nullif(w.patient_id, ''), q.patient_id, '') AS patient_id,
    r.issuer, coalesce(nullif(w.sex, ''), q.sex, '') AS sex, r.age, coalesce(nullif(w.birth, ''), q.birth, '') AS birth,
    r.study_date, r.study_time, r.state, r.is_emergency,
    coalesce(r.assigned_to, '') AS assigned_to, coalesce(d.name, r.assigned_to, '') AS assigned_name, r.reason, r.reason_en,
    coalesce(r.claimed_by, '') AS claimed_by, coalesce(h.name, r.claimed_by, '') AS claimed_name, r.lease_until_us,
    coalesce(r.author, '') AS author, coalesce(r.reviewer, '') AS reviewer, r.closed_at_us, r.due_at_us,
    r.revision, r.instances, r.whole, r.version, r.covered_revision, r.covered, r.is_preliminary, r.is_late,
    coalesce(a.code, '') AS agreement, coalesce(a.version, 0) AS agreement_version,
    coalesce(a.may_read_alone, false) AS may_read_alone, coalesce(a.inviting, '') AS inviting, coalesce(a.invited, '') AS invited,
    coalesce(oi.name, '') AS inviting_name, coalesce(od.name, '') AS invited_name,
    coalesce(r.registration, '') AS registration, coalesce(q.complaint, '') AS complaint, coalesce(q.history, '') AS history,
    coalesce(q.clinic_phone, '') AS clinic_phone,
    coalesce(q.patient_name, '') AS registered_name, coalesce(q.sex, '') AS registered_sex,
    coalesce(q.birth, '') AS registered_birth,
    w.patient_name AS device_name, w.sex AS device_sex, w.birth AS device_birth,
    coalesce(s.doubts, '') AS doubts, coalesce(s.confirmed, '') AS confirmed, coalesce(s.confirmed_by, '') AS confirmed_by,
    coalesce(s.confirmed_at_us, 0) AS confirmed_at_us, coalesce(s.reason, '') AS confirmed_reason,
    coalesce(s.is_corrected, false) AS is_corrected,
    CASE WHEN r.is_emergency THEN coalesce(u.reason, q.urgent_reason, '') ELSE '' END AS urgency_reason,
    CASE WHEN r.is_emergency THEN coalesce(u.by_name, '') ELSE '' END AS urgency_by,
    CASE WHEN r.is_emergency THEN coalesce(u.at_us, 0) ELSE 0 END AS urgency_at_us,
    coalesce(n.images, 0) AS absent, coalesce(n.reason, '') AS absent_reason, coalesce(n.words, '') AS absent_words,
    coalesce(n.by_name, '') AS absent_by, coalesce(n.at_us, 0) AS absent_at_us,
    coalesce(s.revision, 0) AS doubts_revision
FROM reads r
LEFT JOIN study_doubts s ON s.tenant = r.tenant AND s.study_uid = r.study_uid
CROSS JOIN LATERAL (SELECT
    CASE WHEN s.is_corrected THEN s.patient_name ELSE r.patient_name END AS patient_name,
    CASE WHEN s.is_corrected THEN s.patient_id ELSE r.patient_id END AS patient_id,
    CASE WHEN s.is_corrected THEN s.sex ELSE r.sex END AS sex,
    CASE WHEN s.is_corrected THEN s.birth ELSE r.birth END AS birth) w
LEFT JOIN organisations c ON c.code = r.tenant
LEFT JOIN agreements a ON a.code = r.agreement AND a.version = r.agreement_version
LEFT JOIN organisations oi ON oi.code = a.inviting
LEFT JOIN organisations od ON od.code = a.invited
LEFT JOIN doctors d ON d.login = r.assigned_to
LEFT JOIN doctors h ON h.login = r.claimed_by
LEFT JOIN orders q ON q.tenant = r.tenant AND q.registration = r.registration
LEFT JOIN study_urgency u ON u.tenant = r.tenant AND u.study_uid = r.study_uid AND u.is_emergency
LEFT JOIN study_absent n ON n.tenant = r.tenant AND n.study_uid = r.study_uid AND n.images > 0;
