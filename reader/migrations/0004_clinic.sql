-- The clinic's link: what desks told us, what we tell them. Times are UTC microseconds. "device" is the gateway's, as its
-- certificate says it.

-- What a desk registered, as it stands.
CREATE TABLE clinic_registration (
    tenant text NOT NULL,
    registration text NOT NULL,
    device text NOT NULL,                       -- who registered: another device's number is refused
    revision integer NOT NULL,
    name text NOT NULL,
    citizen_id text NOT NULL,
    sex text NOT NULL,
    birth text NOT NULL,
    phone text NOT NULL,
    is_phone_verified boolean NOT NULL DEFAULT false, -- this phone, by a code that was said at the desk
    clinic_phone text NOT NULL,
    modality text NOT NULL,
    complaint text NOT NULL,
    history text NOT NULL,
    is_urgent boolean NOT NULL,
    reason text NOT NULL,
    study text NOT NULL DEFAULT '',             -- attached by the desk
    code_sha256 bytea,                          -- of the slip that is valid
    at_us bigint NOT NULL,
    changed_at_us bigint NOT NULL,
    PRIMARY KEY (tenant, registration)
);
CREATE INDEX clinic_registration_of_study ON clinic_registration (tenant, study) WHERE study <> '';

-- Messages that were done or refused, so that the same one told again is not done again.
CREATE TABLE clinic_up (
    tenant text NOT NULL,
    device text NOT NULL,
    id text NOT NULL,
    kind text NOT NULL,
    outcome text NOT NULL,
    word text NOT NULL,
    at_us bigint NOT NULL,
    PRIMARY KEY (tenant, device, id)
);

-- Messages for a clinic. All are made under the lock of clinic_courier's row, held to the commit: a number that is seen has
-- nothing unseen before it.
CREATE SEQUENCE clinic_down_seq;
CREATE TABLE clinic_down (
    seq bigint PRIMARY KEY DEFAULT nextval('clinic_down_seq'),
    tenant text NOT NULL,
    id text NOT NULL UNIQUE,
    kind text NOT NULL,
    event_seq bigint NOT NULL,                  -- the line of a read's log that made it
    read_id bigint NOT NULL,
    version integer NOT NULL,                   -- 0: it is about no report
    body text NOT NULL,                         -- proto/link/clinic.h, without seq
    at_us bigint NOT NULL,
    UNIQUE (event_seq, kind)
);
CREATE INDEX clinic_down_of_tenant ON clinic_down (tenant, seq);

-- Which device has a message, durably.
CREATE TABLE clinic_taken (
    tenant text NOT NULL,
    device text NOT NULL,
    id text NOT NULL REFERENCES clinic_down (id),
    at_us bigint NOT NULL,
    PRIMARY KEY (tenant, device, id)
);

-- Reports that somebody at the clinic has in hand.
CREATE TABLE clinic_confirmed (
    tenant text NOT NULL,
    read_id bigint NOT NULL,
    version integer NOT NULL,
    device text NOT NULL,
    at_us bigint NOT NULL,
    PRIMARY KEY (tenant, read_id, version)
);

-- How far the reads' log was followed, in the transaction that followed it.
CREATE TABLE clinic_courier (
    only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    seq bigint NOT NULL
);
INSERT INTO clinic_courier (seq) VALUES (0);

-- What was told last of a read: a state that did not change is not told again.
CREATE TABLE clinic_told (
    read_id bigint PRIMARY KEY,
    state text NOT NULL,
    registration text NOT NULL,
    is_urgent boolean NOT NULL
);

-- Lines of the log that could not be told; tried again until they can.
CREATE TABLE clinic_aside (
    event_seq bigint PRIMARY KEY,
    tries integer NOT NULL,
    next_at_us bigint NOT NULL
);

-- Patients who are being told: looked after until the message has left.
CREATE TABLE clinic_notice_due (
    read_id bigint NOT NULL,
    version integer NOT NULL,
    tenant text NOT NULL,
    study text NOT NULL,
    PRIMARY KEY (read_id, version)
);
