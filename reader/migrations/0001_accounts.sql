-- Accounts of staff, their sessions, one-time codes, and what slows guessing down.

CREATE TABLE accounts (
    id             bigserial PRIMARY KEY,
    login          text NOT NULL UNIQUE,
    name           text NOT NULL,
    org            text NOT NULL,
    roles          integer NOT NULL,
    is_demo        boolean NOT NULL DEFAULT false,
    password       text,            -- argon2id in its encoded form; NULL: cannot sign in
    totp_secret    bytea,
    totp_step      bigint NOT NULL DEFAULT 0,  -- the last one used: none up to it is taken again
    made_at_us     bigint NOT NULL,
    signed_in_us   bigint,          -- first time
    disabled_at_us bigint
);
CREATE INDEX accounts_org ON accounts (org, login);

CREATE TABLE sessions (
    sha256     bytea PRIMARY KEY,
    account_id bigint NOT NULL REFERENCES accounts,
    csrf       text NOT NULL,
    made_at_us bigint NOT NULL,
    seen_at_us bigint NOT NULL,
    ends_at_us bigint NOT NULL
);
CREATE INDEX sessions_account ON sessions (account_id);

-- A code lets its holder set a password once: the first administrator (account_id NULL) or who was invited.
CREATE TABLE account_codes (
    sha256     bytea PRIMARY KEY,
    account_id bigint REFERENCES accounts,
    org        text NOT NULL,
    ends_at_us bigint NOT NULL
);

CREATE TABLE login_failures (
    key     bytea PRIMARY KEY,      -- SHA-256 of "account:" or "address:" and which
    count   integer NOT NULL,
    last_us bigint NOT NULL
);

-- Who looked at what, for the patient's own question; the audit trail has it too.
CREATE TABLE looks (
    tenant     text NOT NULL,
    study      text NOT NULL,
    at_us      bigint NOT NULL,
    account_id bigint NOT NULL REFERENCES accounts,
    what       text NOT NULL
);
CREATE INDEX looks_study ON looks (tenant, study, at_us);
