-- The catalog. Times are UTC microseconds; hashes are SHA-256; every row that belongs to a clinic has its tenant.

CREATE TABLE tenants (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    code text NOT NULL UNIQUE,
    name text NOT NULL,
    made_at_us bigint NOT NULL
);

-- Who may call by DICOM, and where C-MOVE may send to (host and port given).
CREATE TABLE aes (
    tenant_id integer NOT NULL REFERENCES tenants,
    ae text NOT NULL,
    host text NOT NULL, -- '' = any address
    port integer NOT NULL,
    rights integer NOT NULL,
    PRIMARY KEY (ae, host)
);
CREATE INDEX aes_of_tenant ON aes (tenant_id, ae);

CREATE TABLE tokens (
    sha256 bytea PRIMARY KEY,
    tenant_id integer NOT NULL REFERENCES tenants,
    name text NOT NULL,
    rights integer NOT NULL,
    made_at_us bigint NOT NULL,
    revoked_at_us bigint
);

-- One-time codes: good for one key (proto/link/enrol.h).
CREATE TABLE enrol_codes (
    sha256 bytea PRIMARY KEY,
    tenant_id integer NOT NULL REFERENCES tenants,
    device text NOT NULL,
    kind text NOT NULL,
    expires_at_us bigint NOT NULL,
    key_sha256 bytea,
    burnt_at_us bigint
);

CREATE TABLE certificates (
    serial text PRIMARY KEY,
    tenant_id integer NOT NULL REFERENCES tenants,
    device text NOT NULL,
    kind text NOT NULL,
    fingerprint bytea NOT NULL,
    not_after_us bigint NOT NULL,
    made_at_us bigint NOT NULL,
    revoked_at_us bigint
);
CREATE INDEX certificates_of_device ON certificates (tenant_id, device);

-- Identity is (issuer, id).
CREATE TABLE patients (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id integer NOT NULL REFERENCES tenants,
    issuer text NOT NULL,
    patient_id text NOT NULL,
    UNIQUE (tenant_id, patient_id, issuer)
);

-- Patient and study attributes as the first instance had them.
CREATE TABLE studies (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id integer NOT NULL REFERENCES tenants,
    study_uid text NOT NULL,
    patient bigint NOT NULL REFERENCES patients,
    patient_id text NOT NULL,
    issuer text NOT NULL,
    patient_name text NOT NULL,
    birth_date text NOT NULL,
    sex text NOT NULL,
    age text NOT NULL,
    study_date text NOT NULL,
    study_time text NOT NULL,
    accession text NOT NULL,
    study_id text NOT NULL,
    description text NOT NULL,
    referring text NOT NULL,
    institution text NOT NULL,
    text_method integer NOT NULL, -- how texts were decoded (proto/dicom/charset.h)
    first_at_us bigint NOT NULL,
    last_at_us bigint NOT NULL,
    UNIQUE (tenant_id, study_uid)
);
CREATE INDEX studies_by_date ON studies (tenant_id, study_date DESC, study_time DESC);
CREATE INDEX studies_by_patient ON studies (tenant_id, patient_id);
CREATE INDEX studies_by_accession ON studies (tenant_id, accession);

-- Counters hold whole, not quarantined instances.
CREATE TABLE series (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id integer NOT NULL REFERENCES tenants,
    study bigint NOT NULL REFERENCES studies,
    series_uid text NOT NULL,
    modality text NOT NULL,
    number bigint NOT NULL, -- -1 = none
    description text NOT NULL,
    body_part text NOT NULL,
    series_date text NOT NULL,
    series_time text NOT NULL,
    station text NOT NULL,
    institution text NOT NULL,
    instances bigint NOT NULL DEFAULT 0,
    sop_classes text[] NOT NULL DEFAULT '{}',
    UNIQUE (study, series_uid)
);
CREATE INDEX series_by_uid ON series (tenant_id, series_uid);

-- A series' new instances become one pack: the job fixes which, so that a crash repeats the same pack.
CREATE TABLE pack_jobs (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id integer NOT NULL REFERENCES tenants,
    study bigint NOT NULL REFERENCES studies,
    series bigint NOT NULL REFERENCES series,
    revision integer NOT NULL,
    is_quarantine boolean NOT NULL,
    made_at_us bigint NOT NULL,
    attempts integer NOT NULL DEFAULT 0,
    next_try_us bigint NOT NULL DEFAULT 0,
    last_error text NOT NULL DEFAULT '',
    done_at_us bigint
);
CREATE INDEX pack_jobs_due ON pack_jobs (next_try_us) WHERE done_at_us IS NULL;

CREATE TABLE packs (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id integer NOT NULL REFERENCES tenants,
    study bigint NOT NULL REFERENCES studies,
    series bigint NOT NULL REFERENCES series,
    sha256 bytea NOT NULL,
    size bigint NOT NULL,
    instances integer NOT NULL,
    revision integer NOT NULL,
    is_quarantine boolean NOT NULL,
    made_at_us bigint NOT NULL,
    UNIQUE (tenant_id, sha256)
);

CREATE TABLE pack_copies (
    pack bigint NOT NULL REFERENCES packs,
    store smallint NOT NULL,
    path text NOT NULL,
    verified_at_us bigint NOT NULL,
    PRIMARY KEY (pack, store)
);

CREATE TABLE instances (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id integer NOT NULL REFERENCES tenants,
    study bigint NOT NULL REFERENCES studies,
    series bigint NOT NULL REFERENCES series,
    sop_instance text NOT NULL,
    sop_class text NOT NULL,
    number bigint NOT NULL, -- -1 = none
    object bytea NOT NULL,
    size bigint NOT NULL,
    pixels bytea NOT NULL,
    dataset bytea NOT NULL,
    received bytea NOT NULL,
    transfer_syntax text NOT NULL,
    received_syntax text NOT NULL,
    recipe bytea,
    layout bytea,
    rows integer NOT NULL,
    columns integer NOT NULL,
    frames integer NOT NULL,
    bits_allocated integer NOT NULL,
    has_pixels boolean NOT NULL,
    content_date text NOT NULL,
    content_time text NOT NULL,
    is_quarantined boolean NOT NULL,
    why text NOT NULL DEFAULT '', -- of the quarantine
    way text NOT NULL,            -- link, C-STORE, STOW-RS
    device text NOT NULL,         -- link: who gets the receipt
    landing text,                 -- path below landing; NULL once sealed and cleaned
    has_copy boolean NOT NULL,    -- a second copy below landing_copy
    arrived_at_us bigint NOT NULL,
    job bigint REFERENCES pack_jobs,
    pack bigint REFERENCES packs,
    pack_offset bigint,
    sealed_at_us bigint
);
CREATE UNIQUE INDEX instances_by_sop ON instances (tenant_id, sop_instance) WHERE NOT is_quarantined;
CREATE UNIQUE INDEX instances_by_object ON instances (tenant_id, object);
CREATE INDEX instances_by_series ON instances (series);
CREATE INDEX instances_by_study ON instances (study);
CREATE INDEX instances_unsealed ON instances (study) WHERE pack IS NULL;
CREATE INDEX instances_by_job ON instances (job) WHERE pack IS NULL;
CREATE INDEX instances_to_clean ON instances (id) WHERE pack IS NOT NULL AND landing IS NOT NULL;

-- Offered by a gateway, not whole yet. The bytes and their ranges are files (docs/formats/landing.md).
CREATE TABLE landing (
    tenant_id integer NOT NULL REFERENCES tenants,
    object bytea NOT NULL,
    device text NOT NULL,
    size bigint NOT NULL,
    study_uid text NOT NULL,
    series_uid text NOT NULL,
    sop_class text NOT NULL,
    sop_instance text NOT NULL,
    transfer_syntax text NOT NULL,
    received_syntax text NOT NULL,
    pixels bytea NOT NULL,
    dataset bytea NOT NULL,
    received bytea NOT NULL,
    recipe bytea,
    layout bytea,
    is_looked boolean NOT NULL DEFAULT false,
    offered_at_us bigint NOT NULL,
    PRIMARY KEY (tenant_id, object)
);
CREATE INDEX landing_by_study ON landing (tenant_id, study_uid);
CREATE INDEX landing_by_sop ON landing (tenant_id, sop_instance);

-- The same instance again under another file, or from another device: its sender waits for a receipt too.
CREATE TABLE duplicates (
    tenant_id integer NOT NULL REFERENCES tenants,
    object bytea NOT NULL,
    device text NOT NULL,
    instance bigint NOT NULL REFERENCES instances,
    made_at_us bigint NOT NULL,
    PRIMARY KEY (tenant_id, object, device)
);
CREATE INDEX duplicates_by_instance ON duplicates (instance);

CREATE TABLE manifests (
    tenant_id integer NOT NULL REFERENCES tenants,
    study_uid text NOT NULL,
    source text NOT NULL, -- the device; '' = storage's own for direct senders
    revision integer NOT NULL,
    closed_at_us bigint NOT NULL,
    content_sha256 bytea NOT NULL,
    objects bytea[] NOT NULL,
    sop_instances text[] NOT NULL,
    received_at_us bigint NOT NULL,
    complete_at_us bigint,
    PRIMARY KEY (tenant_id, study_uid, source, revision)
);

-- Sequence numbers of receipts and events are drawn under a lock that lasts to the commit: a cursor never passes a
-- number that appears later.
CREATE SEQUENCE receipt_seq;
CREATE TABLE receipts (
    seq bigint PRIMARY KEY,
    tenant_id integer NOT NULL REFERENCES tenants,
    device text NOT NULL,
    object bytea NOT NULL,
    sop_instance text NOT NULL,
    study_uid text NOT NULL,
    pack bytea NOT NULL,
    copies integer NOT NULL,
    at_us bigint NOT NULL,
    UNIQUE (tenant_id, device, object)
);
CREATE INDEX receipts_of_device ON receipts (tenant_id, device, seq);

CREATE SEQUENCE event_seq;
CREATE TABLE events (
    seq bigint PRIMARY KEY,
    tenant_id integer NOT NULL REFERENCES tenants,
    kind text NOT NULL,
    study_uid text NOT NULL,
    at_us bigint NOT NULL,
    detail text NOT NULL
);
CREATE INDEX events_of_tenant ON events (tenant_id, seq);
