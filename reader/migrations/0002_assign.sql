-- Organisations, agreements, doctors; reads and their log. Times are UTC microseconds. A person is known by login.

CREATE TABLE organisations (
    code text PRIMARY KEY,
    name text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('province', 'city', 'county', 'township')),
    parent text REFERENCES organisations DEFERRABLE INITIALLY DEFERRED,
    path text NOT NULL, -- '/province/city/county/township/': all above it and itself
    changed_at_us bigint NOT NULL
);
CREATE INDEX organisations_by_path ON organisations (path text_pattern_ops);

-- A version never changes; the greatest version of a code that is in force counts.
CREATE TABLE agreements (
    code text NOT NULL,
    version integer NOT NULL,
    inviting text NOT NULL REFERENCES organisations,
    invited text NOT NULL REFERENCES organisations,
    modalities text[] NOT NULL,
    valid_from_us bigint NOT NULL,
    valid_until_us bigint NOT NULL,
    routine_us bigint NOT NULL,
    emergency_us bigint NOT NULL,
    may_read_alone boolean NOT NULL,
    canonical text NOT NULL,
    sha256 bytea NOT NULL,
    PRIMARY KEY (code, version)
);
CREATE INDEX agreements_of_inviting ON agreements (inviting);

CREATE TABLE doctors (
    login text PRIMARY KEY,
    name text NOT NULL,
    licence text NOT NULL,
    valid_from_us bigint NOT NULL,
    valid_until_us bigint NOT NULL,
    modalities text[] NOT NULL,
    is_on_duty boolean NOT NULL,
    changed_at_us bigint NOT NULL
);

CREATE TABLE affiliations (
    login text NOT NULL REFERENCES doctors,
    org text NOT NULL REFERENCES organisations,
    place integer NOT NULL, -- the first is shown
    PRIMARY KEY (login, org)
);
CREATE INDEX affiliations_of_org ON affiliations (org);

CREATE TABLE reads (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant text NOT NULL,
    study_uid text NOT NULL,
    state text NOT NULL,
    is_emergency boolean NOT NULL DEFAULT false,
    -- the study, as the archive had it when its list was closed
    revision integer NOT NULL,
    instances integer NOT NULL,
    whole integer NOT NULL,
    closed_at_us bigint NOT NULL,
    modality text NOT NULL,
    modalities text[] NOT NULL,
    body_part text NOT NULL,
    description text NOT NULL,
    accession text NOT NULL,
    study_date text NOT NULL,
    study_time text NOT NULL,
    issuer text NOT NULL,
    patient_id text NOT NULL,
    patient_name text NOT NULL,
    sex text NOT NULL,
    age text NOT NULL,
    birth text NOT NULL,
    -- under which agreement, until when
    agreement text,
    agreement_version integer,
    due_at_us bigint NOT NULL DEFAULT 0,
    -- who
    assigned_to text,
    assigned_at_us bigint NOT NULL DEFAULT 0,
    passed_over text, -- let the read go last: another one is chosen if there is one
    look_at_us bigint NOT NULL DEFAULT 0, -- nobody could be chosen: not before this time again
    reason text NOT NULL DEFAULT '',
    reason_en text NOT NULL DEFAULT '',
    claimed_by text,
    lease_until_us bigint NOT NULL DEFAULT 0,
    author text,
    reviewer text,
    -- the signed report that stands
    version integer NOT NULL DEFAULT 0,
    covered_revision integer NOT NULL DEFAULT 0,
    covered integer NOT NULL DEFAULT 0,
    is_preliminary boolean NOT NULL DEFAULT false,
    is_late boolean NOT NULL DEFAULT false,
    registration text,
    made_at_us bigint NOT NULL,
    changed_at_us bigint NOT NULL,
    UNIQUE (tenant, study_uid),
    FOREIGN KEY (agreement, agreement_version) REFERENCES agreements (code, version)
);
CREATE INDEX reads_of_study ON reads (study_uid);
CREATE INDEX reads_of_patient ON reads (tenant, patient_id, issuer) WHERE patient_id <> '';
CREATE INDEX reads_of_accession ON reads (tenant, accession) WHERE accession <> '';
CREATE INDEX reads_open ON reads (state) WHERE state NOT IN ('signed', 'amended', 'withdrawn');
CREATE INDEX reads_late ON reads (id) WHERE is_late;
CREATE INDEX reads_leased ON reads (lease_until_us) WHERE claimed_by IS NOT NULL;
CREATE INDEX reads_of_doctor ON reads (assigned_to) WHERE assigned_to IS NOT NULL;
CREATE INDEX reads_changed ON reads (changed_at_us);

-- Append-only. seq is drawn under a lock that is held to the commit, so it has no gap that fills later.
CREATE SEQUENCE read_event_seq;
CREATE TABLE read_events (
    seq bigint PRIMARY KEY,
    read_id bigint NOT NULL REFERENCES reads,
    at_us bigint NOT NULL,
    actor text NOT NULL,
    event text NOT NULL,
    detail text NOT NULL
);
CREATE INDEX read_events_of_read ON read_events (read_id, seq);
CREATE FUNCTION read_events_stay() RETURNS trigger LANGUAGE plpgsql AS
    $$BEGIN RAISE EXCEPTION 'read_events is append-only'; END$$;
CREATE TRIGGER read_events_stay BEFORE UPDATE OR DELETE OR TRUNCATE ON read_events
    FOR EACH STATEMENT EXECUTE FUNCTION read_events_stay();

-- What the clinic said about a study, before or after it came.
CREATE TABLE orders (
    tenant text NOT NULL,
    registration text NOT NULL,
    study_uid text, -- told by the desk
    accession text NOT NULL,
    patient_name text NOT NULL DEFAULT '', -- as registered
    patient_id text NOT NULL DEFAULT '',
    sex text NOT NULL DEFAULT '',
    birth text NOT NULL DEFAULT '',
    complaint text NOT NULL,
    history text NOT NULL,
    clinic_phone text NOT NULL,
    is_urgent boolean NOT NULL,
    urgent_reason text NOT NULL,
    changed_at_us bigint NOT NULL,
    PRIMARY KEY (tenant, registration)
);
CREATE INDEX orders_of_study ON orders (tenant, study_uid) WHERE study_uid IS NOT NULL;
CREATE INDEX orders_of_accession ON orders (tenant, accession) WHERE accession <> '';

-- How far the archive's events were taken, in the transaction that took them.
CREATE TABLE intake_cursor (
    only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    seq bigint NOT NULL
);
INSERT INTO intake_cursor (seq) VALUES (0);

-- Studies whose closing was told but whose facts the archive could not give: looked for again.
CREATE TABLE intake_aside (
    tenant text NOT NULL,
    study_uid text NOT NULL,
    seq bigint NOT NULL,
    tries integer NOT NULL DEFAULT 0,
    next_at_us bigint NOT NULL,
    PRIMARY KEY (tenant, study_uid)
);

-- How long a lease lasts, set by the service at its start.
CREATE TABLE assign_settings (
    only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    lease_short_us bigint NOT NULL,
    lease_long_us bigint NOT NULL,
    loads bigint NOT NULL DEFAULT 0 -- how often master data were loaded: a running service looks again
);
INSERT INTO assign_settings (lease_short_us, lease_long_us) VALUES (1200000000, 3600000000);

CREATE FUNCTION lease_us(modality text) RETURNS bigint LANGUAGE sql STABLE AS
    $$SELECT CASE WHEN $1 IN ('CT', 'MR', 'PT', 'NM', 'XA', 'MG') THEN s.lease_long_us ELSE s.lease_short_us END
      FROM assign_settings s$$;

-- Who sees a read (assign.h, rights): own = the caller's organisation, login = a doctor, above = a supervisor's organisation;
-- each NULL where the caller has no such role.
CREATE FUNCTION read_is_seen(r reads, own text, login text, above text) RETURNS boolean LANGUAGE sql STABLE AS
    $$SELECT coalesce(r.tenant = own, false)
      OR (login IS NOT NULL AND EXISTS (SELECT FROM agreements a JOIN affiliations f ON f.org = a.invited
          WHERE a.code = r.agreement AND a.version = r.agreement_version AND f.login = read_is_seen.login))
      OR (above IS NOT NULL AND EXISTS (SELECT FROM organisations o JOIN organisations s ON s.code = above
          WHERE o.code = r.tenant AND starts_with(o.path, s.path)))$$;

-- May this doctor read it at this time: agreement, licence in force, modalities. Duty is another matter.
CREATE FUNCTION doctor_fits(r reads, login text, at_us bigint) RETURNS boolean LANGUAGE sql STABLE AS
    $$SELECT EXISTS (SELECT FROM agreements a JOIN affiliations f ON f.org = a.invited JOIN doctors d ON d.login = f.login
        WHERE a.code = r.agreement AND a.version = r.agreement_version AND d.login = doctor_fits.login
          AND d.valid_from_us <= at_us AND at_us < d.valid_until_us AND r.modalities <@ d.modalities)$$;

-- The agreement that covers a read at this time: of each code the greatest version in force counts; of several, one that has
-- somebody on duty. A study from more than a day before the agreement began is history, not work.
CREATE FUNCTION best_agreement(r reads, at_us bigint) RETURNS TABLE (code text, version integer) LANGUAGE sql STABLE AS
    $$SELECT a.code, a.version FROM agreements a
      WHERE a.inviting = r.tenant AND cardinality(r.modalities) > 0 AND r.modalities <@ a.modalities
        AND a.valid_from_us <= at_us AND at_us < a.valid_until_us
        AND (SELECT min(b.valid_from_us) FROM agreements b WHERE b.code = a.code) <= r.closed_at_us + 86400000000
        AND NOT EXISTS (SELECT FROM agreements n WHERE n.code = a.code AND n.version > a.version
            AND n.valid_from_us <= at_us AND at_us < n.valid_until_us)
      ORDER BY EXISTS (SELECT FROM affiliations f JOIN doctors d ON d.login = f.login WHERE f.org = a.invited
            AND d.is_on_duty AND d.valid_from_us <= at_us AND at_us < d.valid_until_us AND r.modalities <@ d.modalities) DESC,
        a.code
      LIMIT 1$$;

-- A read as lists show it; the order of the columns is known to reader/assign/rows.c. What the images do not say about the
-- patient stands as the clinic registered it.
CREATE VIEW read_rows AS
SELECT r.id, r.tenant, coalesce(c.name, r.tenant) AS clinic, r.study_uid, r.modality,
    array_to_string(r.modalities, ' ') AS modalities, r.body_part, r.description, r.accession,
    coalesce(nullif(r.patient_name, ''), q.patient_name, '') AS patient_name,
    coalesce(nullif(r.patient_id, ''), q.patient_id, '') AS patient_id,
    r.issuer, coalesce(nullif(r.sex, ''), q.sex, '') AS sex, r.age, coalesce(nullif(r.birth, ''), q.birth, '') AS birth,
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
    coalesce(q.birth, '') AS registered_birth, r.patient_name AS device_name, r.sex AS device_sex, r.birth AS device_birth
FROM reads r
LEFT JOIN organisations c ON c.code = r.tenant
LEFT JOIN agreements a ON a.code = r.agreement AND a.version = r.agreement_version
LEFT JOIN organisations oi ON oi.code = a.inviting
LEFT JOIN organisations od ON od.code = a.invited
LEFT JOIN doctors d ON d.login = r.assigned_to
LEFT JOIN doctors h ON h.login = r.claimed_by
LEFT JOIN orders q ON q.tenant = r.tenant AND q.registration = r.registration;
