-- Daily comparison with the gateways: their lists by the day they were closed, how the last comparison of each ended,
-- and what neither side has any more.
CREATE INDEX manifests_by_day ON manifests (tenant_id, source, closed_at_us);

CREATE TABLE reconciliations (
    tenant_id integer NOT NULL REFERENCES tenants,
    device text NOT NULL,
    at_us bigint NOT NULL, -- of the archive's clock
    days bigint NOT NULL,
    studies bigint NOT NULL,
    objects bigint NOT NULL,
    different bigint NOT NULL,
    repaired bigint NOT NULL,
    lost bigint NOT NULL,
    PRIMARY KEY (tenant_id, device)
);

CREATE TABLE lost_objects (
    tenant_id integer NOT NULL REFERENCES tenants,
    device text NOT NULL,
    object bytea NOT NULL,
    sop_instance text NOT NULL,
    study_uid text NOT NULL,
    since_us bigint NOT NULL, -- told first
    PRIMARY KEY (tenant_id, device, object)
);
