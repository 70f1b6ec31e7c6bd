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

-- == end of orders, worklist, MPPS ==


-- == identity, unmatched box, A or B ==

-- == end of identity, unmatched box, A or B ==


-- == clinic's own systems: in and out ==

-- == end of clinic's own systems ==


-- == critical calls and repeat requests ==

-- == end of critical calls and repeat requests ==


-- == reject reasons, side and view, print queue ==

-- == end of reject reasons, side and view, print queue ==
