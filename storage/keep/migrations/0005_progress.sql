-- How many bytes of an object that is on its way are durable: for people who wait. The truth is its map.
ALTER TABLE landing ADD COLUMN have_bytes bigint NOT NULL DEFAULT 0;

-- What each clinic sent over the link, by the hour (UTC).
CREATE TABLE traffic (
    tenant_id integer NOT NULL REFERENCES tenants,
    hour_us bigint NOT NULL,
    bytes bigint NOT NULL,
    objects bigint NOT NULL,
    PRIMARY KEY (tenant_id, hour_us)
);
CREATE INDEX traffic_by_hour ON traffic (hour_us);
