-- The desk's state, version 3. Described in docs/formats/desk.md. Times are UTC microseconds.

-- == clinic's own systems: in and out (his_*.c) ==

-- Messages of the HIS that were done: one that is told again changes nothing.
CREATE TABLE his_seen (
    n INTEGER PRIMARY KEY AUTOINCREMENT,
    sender TEXT NOT NULL,                      -- MSH-3 and MSH-4
    control TEXT NOT NULL,                     -- MSH-10
    sha256 TEXT NOT NULL,                      -- of the message
    at_us INTEGER NOT NULL,
    UNIQUE (sender, control, sha256)
) STRICT;

-- From when on a target is told of reports: its first start.
CREATE TABLE his_target (
    target TEXT PRIMARY KEY,                   -- 'dicom', 'hl7', 'folder'
    since_us INTEGER NOT NULL,
    owed INTEGER NOT NULL DEFAULT 0            -- rowid in report up to which all were added
) STRICT;

-- What a report is, beside the desk's PDF of it: files reports/READ-VERSION.KIND.
CREATE TABLE his_document (
    read_id INTEGER NOT NULL,
    version INTEGER NOT NULL,
    kind TEXT NOT NULL,                        -- 'sr', 'pdf': DICOM objects; 'text': the signed report, JSON
    sha256 TEXT NOT NULL DEFAULT '',           -- '' not here yet
    tries INTEGER NOT NULL DEFAULT 0,
    next_at_us INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (read_id, version, kind)
) STRICT, WITHOUT ROWID;

-- A report to a target, or that it was withdrawn.
CREATE TABLE his_delivery (
    n INTEGER PRIMARY KEY AUTOINCREMENT,
    target TEXT NOT NULL,
    read_id INTEGER NOT NULL,
    version INTEGER NOT NULL,
    event TEXT NOT NULL,                       -- 'report', 'withdrawn'
    state TEXT NOT NULL DEFAULT 'waiting',     -- word of his_states.def
    tries INTEGER NOT NULL DEFAULT 0,
    round INTEGER NOT NULL DEFAULT 0,          -- how often a person had it sent again
    next_at_us INTEGER NOT NULL DEFAULT 0,
    trouble TEXT NOT NULL DEFAULT '',          -- why the last try failed, or why it was refused
    receipt TEXT NOT NULL DEFAULT '',          -- what the target answered
    made_at_us INTEGER NOT NULL,
    done_at_us INTEGER NOT NULL DEFAULT 0,
    again_by TEXT NOT NULL DEFAULT '',         -- who had it sent again last
    UNIQUE (target, read_id, version, event)
) STRICT;
CREATE INDEX his_delivery_due ON his_delivery (target, next_at_us) WHERE state = 'waiting';
CREATE INDEX his_delivery_state ON his_delivery (state, n);

CREATE INDEX report_withdrawn ON report (received_at_us) WHERE standing = 'withdrawn';

-- == end of clinic's own systems ==

-- == urgency of studies: urgency.c ==

ALTER TABLE registration ADD COLUMN urgent_by TEXT NOT NULL DEFAULT '';

CREATE TABLE study_urgency (
    study TEXT PRIMARY KEY,
    is_stat INTEGER NOT NULL,
    reason TEXT NOT NULL,
    by_name TEXT NOT NULL,                     -- the person's name, as people read it
    side TEXT NOT NULL,                        -- 'desk', 'registration', 'reader'
    revision INTEGER NOT NULL,                 -- of the newest message to the reader
    is_applied INTEGER NOT NULL DEFAULT 0,     -- the uplink has it
    at_us INTEGER NOT NULL
) STRICT;
CREATE INDEX study_urgency_by_time ON study_urgency (at_us);
CREATE INDEX study_urgency_due ON study_urgency (at_us) WHERE is_applied = 0;

-- == end of urgency of studies ==
