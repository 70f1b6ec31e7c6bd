-- Images that a list names and that can never come any more, as a named person says: off the study's list from one of its
-- revisions on, until they come after all. What the lists themselves name stays as it was told.
CREATE TABLE gone_instances (
    tenant_id integer NOT NULL REFERENCES tenants,
    study_uid text NOT NULL,
    sop_instance text NOT NULL,
    from_revision integer NOT NULL,   -- of the study: this one is without it
    until_revision integer,           -- this one is with it again; NULL: it has not come
    reason text NOT NULL,
    by_name text NOT NULL,            -- the person's name, as people read it
    at_us bigint NOT NULL,
    PRIMARY KEY (tenant_id, study_uid, sop_instance, from_revision)
);
