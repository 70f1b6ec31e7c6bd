-- The desk's state, version 2: each part has its own section. Described in docs/formats/desk.md. Times are UTC microseconds.

-- == accounts: accounts.c ==

CREATE TABLE account (
    login TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    roles TEXT NOT NULL,                       -- words of roles.def, separated by blanks
    password TEXT NOT NULL DEFAULT '',         -- argon2id; '' none: a code is due
    code_sha256 TEXT NOT NULL DEFAULT '',      -- one-time code that sets the password; '' none
    code_ends_us INTEGER NOT NULL DEFAULT 0,
    made_at_us INTEGER NOT NULL,
    made_by TEXT NOT NULL,
    signed_in_at_us INTEGER NOT NULL DEFAULT 0,
    disabled_at_us INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE account_session (
    sha256 TEXT PRIMARY KEY,
    login TEXT NOT NULL REFERENCES account (login),
    csrf TEXT NOT NULL,
    made_at_us INTEGER NOT NULL,
    seen_at_us INTEGER NOT NULL
) STRICT;

-- Wrong tries by account and by address: the key is a digest.
CREATE TABLE account_try (
    key TEXT PRIMARY KEY,
    count INTEGER NOT NULL,
    last_at_us INTEGER NOT NULL
) STRICT;

-- == end of accounts ==


-- == orders, worklist, MPPS ==

-- What is to be examined; the patient is in the registration. source and placer: who asked, and its own number of it.
CREATE TABLE orders (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    source TEXT NOT NULL,
    placer TEXT NOT NULL,
    registration TEXT NOT NULL REFERENCES registration (registration),
    state TEXT NOT NULL,                       -- word of orders_states.def
    accession TEXT NOT NULL,                   -- '' the registration's number
    patient_id TEXT NOT NULL,                  -- '' the citizen number, else the registration's number
    pinyin TEXT NOT NULL,
    is_pinyin_ours INTEGER NOT NULL,           -- made from the name: follows it when it is corrected
    weight_g INTEGER NOT NULL,
    height_mm INTEGER NOT NULL,
    station TEXT NOT NULL,                     -- AE title; '' any
    scheduled_at_us INTEGER NOT NULL,
    procedure_id TEXT NOT NULL,
    description TEXT NOT NULL,
    code TEXT NOT NULL,
    code_scheme TEXT NOT NULL,
    code_meaning TEXT NOT NULL,
    study TEXT NOT NULL,                       -- Study Instance UID that devices are told
    referring TEXT NOT NULL,
    department TEXT NOT NULL,
    made_at_us INTEGER NOT NULL,
    changed_at_us INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX orders_by_placer ON orders (source, placer);
CREATE UNIQUE INDEX orders_by_study ON orders (study);
CREATE INDEX orders_by_registration ON orders (registration);
CREATE INDEX orders_by_accession ON orders (accession) WHERE accession <> '';
CREATE INDEX orders_by_time ON orders (scheduled_at_us);

-- Performed procedure steps as devices told them.
CREATE TABLE mpps (
    uid TEXT PRIMARY KEY,
    state TEXT NOT NULL,                       -- 'IN PROGRESS', 'COMPLETED', 'DISCONTINUED'
    device TEXT NOT NULL,                      -- calling AE title
    study TEXT NOT NULL,
    accession TEXT NOT NULL,
    modality TEXT NOT NULL,
    created_at_us INTEGER NOT NULL,
    changed_at_us INTEGER NOT NULL,
    reason TEXT NOT NULL                       -- of the discontinuation, in words
) STRICT;
CREATE INDEX mpps_by_study ON mpps (study);
CREATE INDEX mpps_by_time ON mpps (changed_at_us);

-- The orders that a step is of.
CREATE TABLE mpps_order (
    uid TEXT NOT NULL REFERENCES mpps (uid),
    number INTEGER NOT NULL REFERENCES orders (number),
    PRIMARY KEY (uid, number)
) STRICT, WITHOUT ROWID;

-- What each N-CREATE and N-SET said, as DICOM JSON (PS3.18 F).
CREATE TABLE mpps_said (
    uid TEXT NOT NULL REFERENCES mpps (uid),
    n INTEGER NOT NULL,
    at_us INTEGER NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (uid, n)
) STRICT;

-- Instances that a device says it made: they add to what is expected of a study.
CREATE TABLE expected (
    study TEXT NOT NULL,
    instance TEXT NOT NULL,
    by TEXT NOT NULL,                          -- UID of the step or of the commitment's transaction
    at_us INTEGER NOT NULL,
    is_here INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (study, instance)
) STRICT, WITHOUT ROWID;
CREATE INDEX expected_missing ON expected (instance) WHERE is_here = 0;

-- Radiation dose: from 'mpps', 'rdsr' (a dose report), 'image'. uid: of the step or the instance it stands in.
CREATE TABLE dose (
    study TEXT NOT NULL,
    source TEXT NOT NULL,
    uid TEXT NOT NULL,
    kind TEXT NOT NULL,                        -- word of dose_kinds.def
    value TEXT NOT NULL,                       -- decimal, in the kind's unit
    at_us INTEGER NOT NULL,
    PRIMARY KEY (study, source, uid, kind)
) STRICT, WITHOUT ROWID;
CREATE INDEX dose_by_time ON dose (at_us);

-- == end of orders, worklist, MPPS ==


-- == identity, unmatched box, A or B ==

-- What is odd about whose images a study is: bits of proto/model/doubts.def.
CREATE TABLE doubt (
    study TEXT PRIMARY KEY,
    bits INTEGER NOT NULL,                     -- found
    resolved INTEGER NOT NULL DEFAULT 0,       -- settled by what was done: attached, answered
    confirmed INTEGER NOT NULL DEFAULT 0,      -- a person has looked and it is as it is
    confirmed_by TEXT NOT NULL DEFAULT '',
    confirmed_at_us INTEGER NOT NULL DEFAULT 0,
    reason TEXT NOT NULL DEFAULT '',
    is_corrected INTEGER NOT NULL DEFAULT 0,   -- whose, when the images say it wrongly
    patient_id TEXT NOT NULL DEFAULT '',
    name TEXT NOT NULL DEFAULT '',
    sex TEXT NOT NULL DEFAULT '',
    birth TEXT NOT NULL DEFAULT '',
    revision INTEGER NOT NULL DEFAULT 0,       -- of the newest message to the reader
    at_us INTEGER NOT NULL
) STRICT;

-- "A or B?": the same images came for two people. The first went on to the centre, the second was put aside here.
CREATE TABLE correction (
    n INTEGER PRIMARY KEY AUTOINCREMENT,
    study TEXT NOT NULL,                       -- of the first
    other_study TEXT NOT NULL,                 -- of the second; often the same
    identity TEXT NOT NULL,                    -- of the second: what several images have in common
    patient_id TEXT NOT NULL, name TEXT NOT NULL, sex TEXT NOT NULL, birth TEXT NOT NULL,
    other_patient_id TEXT NOT NULL, other_name TEXT NOT NULL, other_sex TEXT NOT NULL, other_birth TEXT NOT NULL,
    asked_at_us INTEGER NOT NULL,
    answer TEXT NOT NULL DEFAULT '',           -- '', 'first', 'second'
    answered_by TEXT NOT NULL DEFAULT '',
    answered_at_us INTEGER NOT NULL DEFAULT 0,
    UNIQUE (study, other_study, identity)
) STRICT;
CREATE TABLE correction_instance (
    entry INTEGER PRIMARY KEY,                 -- of the spool: put aside
    correction INTEGER NOT NULL REFERENCES correction (n)
) STRICT;
CREATE INDEX correction_instances ON correction_instance (correction);

-- Further studies of a registration: one exam came as several.
CREATE TABLE registration_study (
    study TEXT PRIMARY KEY,
    registration TEXT NOT NULL REFERENCES registration (registration),
    at_us INTEGER NOT NULL
) STRICT;
CREATE INDEX registration_studies ON registration_study (registration);

-- == end of identity, unmatched box, A or B ==


-- == critical calls and repeat requests ==

CREATE TABLE call (
    call TEXT PRIMARY KEY,                     -- id of the reader's message
    kind TEXT NOT NULL,                        -- 'critical', 'repeat'
    is_on_preview INTEGER NOT NULL,
    read_id INTEGER NOT NULL,
    study TEXT NOT NULL,
    registration TEXT NOT NULL,
    patient TEXT NOT NULL,
    modality TEXT NOT NULL,
    words TEXT NOT NULL,
    author TEXT NOT NULL,
    hospital TEXT NOT NULL,
    at_us INTEGER NOT NULL,
    received_at_us INTEGER NOT NULL,
    heard_at_us INTEGER NOT NULL DEFAULT 0,    -- 0 it sounds
    heard_by TEXT NOT NULL DEFAULT '',
    outcome TEXT NOT NULL DEFAULT '',          -- '' none; 'read_back', 'will_repeat', 'cannot_repeat'
    answer TEXT NOT NULL DEFAULT '',
    answered_by TEXT NOT NULL DEFAULT '',
    answered_at_us INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX call_by_time ON call (at_us);

-- == end of critical calls and repeat requests ==


-- == reject reasons, print queue: notes.c ==

CREATE TABLE reject (
    n INTEGER PRIMARY KEY AUTOINCREMENT,
    study TEXT NOT NULL,
    registration TEXT NOT NULL,
    reason TEXT NOT NULL,                      -- word of reject_reasons.def
    images INTEGER NOT NULL,
    words TEXT NOT NULL,
    by_login TEXT NOT NULL,
    at_us INTEGER NOT NULL
) STRICT;
CREATE INDEX reject_by_time ON reject (at_us);

CREATE TABLE report_print (
    read_id INTEGER NOT NULL,
    version INTEGER NOT NULL,
    by_login TEXT NOT NULL,
    at_us INTEGER NOT NULL
) STRICT;
CREATE INDEX report_print_of ON report_print (read_id, version);

-- == end of reject reasons, print queue ==
