-- What was put aside and a person says is settled: it stays where it is, and is named no more. In force once it stands in the
-- audit, which the service writes.
CREATE TABLE aside_rejected (
    tenant_id integer NOT NULL REFERENCES tenants,
    object bytea NOT NULL,
    reason text NOT NULL,
    by_name text NOT NULL,     -- a login: letters, digits, '.', '_', '-'
    at_us bigint NOT NULL,
    noted_at_us bigint,        -- NULL: not in the audit yet
    PRIMARY KEY (tenant_id, object)
);
CREATE INDEX aside_unnoted ON aside_rejected (at_us) WHERE noted_at_us IS NULL;
