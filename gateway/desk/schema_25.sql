-- schema_25.sql - version 25.

-- == dose reports: dose_book.c ==

-- Dose reports of a study that may hold one another; a report taken before this version has no row and counts by itself.
CREATE TABLE dose_report (
    study TEXT NOT NULL,
    uid TEXT NOT NULL,                         -- of the instance, as in dose
    device TEXT NOT NULL,                      -- maker, model, serial number, station; '' unsaid
    made_at TEXT NOT NULL,                     -- content date and time as digits; '' unsaid
    is_of_study INTEGER NOT NULL,              -- Scope of Accumulation: Study
    events INTEGER NOT NULL,                   -- irradiation events it names
    replaced_by TEXT NOT NULL DEFAULT '',      -- UID of the report that holds it; '' it counts
    PRIMARY KEY (study, uid)
) STRICT, WITHOUT ROWID;

-- What a report holds: Irradiation Event UIDs (is_event), and documents that it follows.
CREATE TABLE dose_part (
    study TEXT NOT NULL,
    uid TEXT NOT NULL,
    part TEXT NOT NULL,
    is_event INTEGER NOT NULL,
    PRIMARY KEY (study, uid, part)
) STRICT, WITHOUT ROWID;

-- == end of dose reports ==
