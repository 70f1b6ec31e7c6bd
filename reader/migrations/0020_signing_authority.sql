-- Under which authorities this database's reports may be signed. Another one, in a signer's folder that was lost or whose disk is
-- not mounted, signs nothing until a person has said so. said_by '': nobody had to; is_noted: the audit has it.
CREATE TABLE signing_authority (
    sha256 bytea PRIMARY KEY CHECK (length(sha256) = 32),
    since_us bigint NOT NULL,
    said_by text NOT NULL,
    is_noted boolean NOT NULL
);
