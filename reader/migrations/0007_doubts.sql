-- What is odd about whose images a study is, as the clinic's gateway found it (proto/model/doubts.def), and who has confirmed
-- it: signing waits while a word that holds is not confirmed. Further studies of one registration. Times are UTC microseconds.

CREATE TABLE study_doubts (
    tenant text NOT NULL,
    study_uid text NOT NULL,
    revision bigint NOT NULL,               -- the desk's count: what is told late changes nothing
    doubts text NOT NULL,                   -- words, parted by blanks
    confirmed text NOT NULL DEFAULT '',     -- those that a person has confirmed
    confirmed_by text NOT NULL DEFAULT '',  -- "desk:DEVICE" or a login
    confirmed_at_us bigint NOT NULL DEFAULT 0,
    reason text NOT NULL DEFAULT '',
    -- the clinic says that the images name the wrong person: the right one
    is_corrected boolean NOT NULL DEFAULT false,
    patient_name text NOT NULL DEFAULT '',
    patient_id text NOT NULL DEFAULT '',
    sex text NOT NULL DEFAULT '',
    birth text NOT NULL DEFAULT '',
    changed_at_us bigint NOT NULL,
    PRIMARY KEY (tenant, study_uid)
);

CREATE TABLE order_studies (
    tenant text NOT NULL,
    study_uid text NOT NULL,
    registration text NOT NULL,
    PRIMARY KEY (tenant, study_uid)
);
CREATE INDEX order_studies_of_order ON order_studies (tenant, registration);

-- As in 0002, and: a correction by the clinic stands in for what the images say.
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
    coalesce(s.is_corrected, false) AS is_corrected
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
LEFT JOIN orders q ON q.tenant = r.tenant AND q.registration = r.registration;
