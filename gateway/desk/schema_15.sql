-- schema_15.sql - version 15.

-- == messages of the HIS that were not done: his_refused.c ==

-- One row a kind of fault of a peer, and of an order where one is named: times counts.
CREATE TABLE his_refused (
    n INTEGER PRIMARY KEY,
    peer TEXT NOT NULL,
    answer TEXT NOT NULL,
    error TEXT NOT NULL,
    place TEXT NOT NULL,
    why TEXT NOT NULL,
    placer TEXT NOT NULL,
    is_order INTEGER NOT NULL,
    first_us INTEGER NOT NULL,
    at_us INTEGER NOT NULL,
    times INTEGER NOT NULL DEFAULT 1,
    is_seen INTEGER NOT NULL DEFAULT 0,
    UNIQUE (peer, answer, error, place, why, placer)
);

-- == end of messages of the HIS that were not done ==
