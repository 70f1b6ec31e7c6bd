-- Reports. One row in report for each read that anybody wrote about: the work in progress. One row in report_version for
-- each version that was signed: it never changes but for stored_at_us and the withdrawal. report_history keeps every text
-- that was passed on (written, returned, reviewed, signed).

CREATE TABLE report (
    read_id bigint PRIMARY KEY,
    base bigint NOT NULL DEFAULT 0,            -- counts changes: who saves names the one they saw
    exam text NOT NULL DEFAULT '',
    findings text NOT NULL DEFAULT '',
    impression text NOT NULL DEFAULT '',
    saved_by text NOT NULL DEFAULT '',         -- login
    saved_at_us bigint NOT NULL DEFAULT 0,
    writers text[] NOT NULL DEFAULT '{}',      -- logins whose words are in it: none of them reviews it
    author text NOT NULL DEFAULT '',           -- login of who wrote; '' while it is a draft
    written_at_us bigint NOT NULL DEFAULT 0,
    reviewer text NOT NULL DEFAULT '',         -- login of who accepted it
    reviewed_at_us bigint NOT NULL DEFAULT 0,
    returned_reason text NOT NULL DEFAULT '',  -- why the reviewer gave it back; '' once it is written again
    amend_reason text NOT NULL DEFAULT '',     -- why the version in work follows a signed one
    versions integer NOT NULL DEFAULT 0        -- how many were signed
);

CREATE TABLE report_history (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    read_id bigint NOT NULL REFERENCES report (read_id),
    base bigint NOT NULL,
    at_us bigint NOT NULL,
    actor text NOT NULL,
    action text NOT NULL,
    reason text NOT NULL,
    exam text NOT NULL,
    findings text NOT NULL,
    impression text NOT NULL
);
CREATE INDEX report_history_read ON report_history (read_id, id);

CREATE TABLE report_version (
    read_id bigint NOT NULL REFERENCES report (read_id),
    version integer NOT NULL CHECK (version > 0),
    kind smallint NOT NULL,                    -- enum report_kind
    tenant text NOT NULL,
    study_uid text NOT NULL,
    signed_at_us bigint NOT NULL,
    written_at_us bigint NOT NULL,
    verify_base text NOT NULL,                 -- URL of verification pages when it was signed
    signer text NOT NULL,                      -- login of whose key signed
    covers integer NOT NULL,
    canonical bytea NOT NULL,                  -- what is signed, docs/formats/report.md
    sha256 bytea NOT NULL UNIQUE CHECK (octet_length(sha256) = 32),
    manifest bytea NOT NULL,
    agreement bytea NOT NULL,
    cms bytea NOT NULL,
    token text NOT NULL UNIQUE,
    withdrawn_at_us bigint NOT NULL DEFAULT 0,
    withdrawn_by text NOT NULL DEFAULT '',
    withdrawn_reason text NOT NULL DEFAULT '',
    withdrawal bytea,                          -- the canonical notice of it, and its signature
    withdrawal_cms bytea,
    stored_at_us bigint NOT NULL DEFAULT 0,    -- its documents are in the archive; 0: they are to be made
    store_tries integer NOT NULL DEFAULT 0,
    PRIMARY KEY (read_id, version)
);
CREATE INDEX report_version_study ON report_version (tenant, study_uid);
CREATE INDEX report_version_due ON report_version (store_tries, signed_at_us) WHERE stored_at_us = 0;

-- The documents of a version: made once, so that what is sent again is the same bytes.
CREATE TABLE report_document (
    read_id bigint NOT NULL,
    version integer NOT NULL,
    kind text NOT NULL,                        -- 'sr', 'pdf'
    series_uid text NOT NULL,
    sop_instance text NOT NULL UNIQUE,
    bytes bytea NOT NULL,
    PRIMARY KEY (read_id, version, kind),
    FOREIGN KEY (read_id, version) REFERENCES report_version (read_id, version)
);

-- What the page says it drew for whom: images opened, and those whose proved pixels were on the screen.
CREATE TABLE report_shown (
    read_id bigint NOT NULL,
    login text NOT NULL,
    sop_instance text NOT NULL,
    opened_at_us bigint NOT NULL,
    proved_at_us bigint NOT NULL DEFAULT 0,    -- 0: only a preview until now
    revision integer NOT NULL DEFAULT 0,       -- of the manifest they were proved against
    PRIMARY KEY (read_id, login, sop_instance)
);
