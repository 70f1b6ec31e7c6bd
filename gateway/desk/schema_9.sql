-- schema_9.sql - version 9.

-- == whose images: doubts.c ==

-- Who else's images came under a study whose number was used again. The first are nobody's row: theirs it was.
CREATE TABLE doubt_identity (
    study TEXT NOT NULL,
    identity TEXT NOT NULL,                    -- SHA-256 of the patient's number and name, in hexadecimal
    PRIMARY KEY (study, identity)
) STRICT, WITHOUT ROWID;

-- == end of whose images ==
