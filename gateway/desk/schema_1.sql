-- The desk's state, version 1. Described in docs/formats/desk.md. Times are UTC microseconds.

CREATE TABLE setting (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT;

CREATE TABLE registration (
    registration TEXT PRIMARY KEY,
    at_us INTEGER NOT NULL,
    changed_at_us INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    name TEXT NOT NULL,
    citizen_id TEXT NOT NULL,
    sex TEXT NOT NULL,
    birth TEXT NOT NULL,
    phone TEXT NOT NULL,
    is_phone_verified INTEGER NOT NULL DEFAULT 0,
    modality TEXT NOT NULL,
    complaint TEXT NOT NULL,
    history TEXT NOT NULL,
    is_urgent INTEGER NOT NULL,
    reason TEXT NOT NULL,
    study TEXT NOT NULL DEFAULT '',
    attached_by TEXT NOT NULL DEFAULT '',  -- 'number', 'citizen_id', 'hand'
    slip_at_us INTEGER NOT NULL DEFAULT 0  -- the last slip that was printed
) STRICT;
CREATE INDEX registration_by_time ON registration (at_us);
CREATE UNIQUE INDEX registration_by_study ON registration (study) WHERE study <> '';
CREATE INDEX registration_by_citizen ON registration (citizen_id) WHERE citizen_id <> '';

-- Messages for the reader: kept until it gave a receipt, and for a while after.
CREATE TABLE outbox (
    n INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    registration TEXT NOT NULL,
    body TEXT NOT NULL,                    -- proto/link/clinic.h; '' once there is a receipt
    made_at_us INTEGER NOT NULL,
    tries INTEGER NOT NULL DEFAULT 0,
    next_at_us INTEGER NOT NULL DEFAULT 0,
    outcome TEXT NOT NULL DEFAULT '',      -- '' waits, 'done', 'refused'
    word TEXT NOT NULL DEFAULT '',
    done_at_us INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX outbox_waiting ON outbox (n) WHERE outcome = '';
CREATE INDEX outbox_of_registration ON outbox (registration);

-- Messages of the reader that were taken: by their id, so that none is taken twice.
CREATE TABLE inbox (
    id TEXT PRIMARY KEY,
    seq INTEGER NOT NULL,
    kind TEXT NOT NULL,
    read_id INTEGER NOT NULL,
    version INTEGER NOT NULL,
    at_us INTEGER NOT NULL,
    is_receipted INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX inbox_waiting ON inbox (seq) WHERE is_receipted = 0;

CREATE TABLE read (
    read_id INTEGER PRIMARY KEY,
    seq INTEGER NOT NULL,                  -- of the newest message about its state
    study TEXT NOT NULL,
    registration TEXT NOT NULL,
    patient TEXT NOT NULL,
    modality TEXT NOT NULL,
    state TEXT NOT NULL,
    changed_at_us INTEGER NOT NULL
) STRICT;
CREATE INDEX read_of_study ON read (study);

CREATE TABLE report (
    read_id INTEGER NOT NULL,
    version INTEGER NOT NULL,
    is_preliminary INTEGER NOT NULL,
    signed_at_us INTEGER NOT NULL,
    author TEXT NOT NULL,
    reviewer TEXT NOT NULL,
    hospital TEXT NOT NULL,
    verify_url TEXT NOT NULL,
    covers INTEGER NOT NULL,
    present INTEGER NOT NULL,
    standing TEXT NOT NULL,                -- 'valid', 'amended', 'withdrawn'
    superseded_by INTEGER NOT NULL DEFAULT 0,
    replaces INTEGER NOT NULL DEFAULT 0,   -- an earlier version
    reason TEXT NOT NULL,                  -- of the amendment or withdrawal
    received_at_us INTEGER NOT NULL,
    confirmed_at_us INTEGER NOT NULL DEFAULT 0,
    pdf_sha256 TEXT NOT NULL DEFAULT '',   -- '' the file is not here yet
    pdf_size INTEGER NOT NULL DEFAULT 0,
    is_pdf_wanted INTEGER NOT NULL DEFAULT 1,
    pdf_tries INTEGER NOT NULL DEFAULT 0,
    pdf_next_at_us INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (read_id, version)
) STRICT;
CREATE INDEX report_by_time ON report (received_at_us);

CREATE TABLE notice (
    id TEXT PRIMARY KEY,
    at_us INTEGER NOT NULL,
    registration TEXT NOT NULL,
    words TEXT NOT NULL
) STRICT;

-- What the images themselves say about whose they are; looked at once a study.
CREATE TABLE study (
    study TEXT PRIMARY KEY,
    patient_id TEXT NOT NULL,
    accession TEXT NOT NULL,
    name TEXT NOT NULL,
    sex TEXT NOT NULL,
    birth TEXT NOT NULL,
    modality TEXT NOT NULL,
    arrived_at_us INTEGER NOT NULL,
    looked_at_us INTEGER NOT NULL,
    is_matched INTEGER NOT NULL DEFAULT 0  -- tried, or attached by hand
) STRICT;
