-- The patient's door: slips, challenges, what limits guessing, sessions, and texts to phones. Times are UTC microseconds.

-- A registration's slip, as it is valid now. Only a hash of its code ever left the clinic.
CREATE TABLE patient_slip (
    tenant text NOT NULL,
    registration text NOT NULL,
    code_sha256 bytea NOT NULL UNIQUE,
    phone text NOT NULL,
    is_phone_verified boolean NOT NULL,
    study text NOT NULL,                        -- '' = no images yet
    at_us bigint NOT NULL,
    PRIMARY KEY (tenant, registration)
);
CREATE INDEX patient_slip_of_study ON patient_slip (tenant, study) WHERE study <> '';

-- One a call of "open", whether or not its code exists.
CREATE TABLE patient_challenge (
    sha256 bytea PRIMARY KEY,
    code_sha256 bytea NOT NULL,
    address text NOT NULL,
    otp_sha256 bytea,                           -- NULL: the post has not looked at it; nobody's when nothing was sent
    tries integer NOT NULL DEFAULT 0,
    at_us bigint NOT NULL,
    ends_at_us bigint NOT NULL
);
CREATE INDEX patient_challenge_waiting ON patient_challenge (at_us) WHERE otp_sha256 IS NULL;
CREATE INDEX patient_challenge_ended ON patient_challenge (ends_at_us);

-- Tries of a code, a phone, an address, and messages to a phone: counted in a window from the first.
CREATE TABLE patient_tries (
    key bytea PRIMARY KEY,
    count integer NOT NULL,
    since_us bigint NOT NULL,
    ends_at_us bigint NOT NULL
);

CREATE TABLE patient_session (
    sha256 bytea PRIMARY KEY,
    code_sha256 bytea NOT NULL,                 -- of the slip that opened it: it ends with the slip
    csrf text NOT NULL,
    at_us bigint NOT NULL,
    ends_at_us bigint NOT NULL
);

-- What was looked at from the patient's page.
CREATE TABLE patient_look (
    tenant text NOT NULL,
    study text NOT NULL,
    what text NOT NULL,
    at_us bigint NOT NULL
);
CREATE INDEX patient_look_of_study ON patient_look (tenant, study, at_us);

-- A code by which the clinic proves that a phone is the patient's.
CREATE TABLE patient_phone_code (
    tenant text NOT NULL,
    registration text NOT NULL,
    phone text NOT NULL,
    code_sha256 bytea NOT NULL,
    tries integer NOT NULL,
    ends_at_us bigint NOT NULL,
    PRIMARY KEY (tenant, registration)
);

-- Texts to phones. The words are made when they are sent; code is wiped then.
CREATE TABLE patient_message (
    id bigserial PRIMARY KEY,
    cause text NOT NULL UNIQUE,                 -- one cause, one message
    kind text NOT NULL,
    phone text NOT NULL,
    code text NOT NULL,
    at_us bigint NOT NULL,
    until_us bigint NOT NULL,                   -- of no use later
    next_at_us bigint,                          -- NULL: sent, or too late
    tries integer NOT NULL DEFAULT 0,
    sent_at_us bigint
);
CREATE INDEX patient_message_due ON patient_message (next_at_us) WHERE next_at_us IS NOT NULL;
