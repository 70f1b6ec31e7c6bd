-- What the operator wants of gateways (docs/link-protocol.md, "Policy"); '' = all clinics without one of their own.
CREATE TABLE gateway_policies (
    code text PRIMARY KEY,
    policy text NOT NULL, -- JSON, checked before it is written
    set_at_us bigint NOT NULL
);

-- Gateways of a clinic ('' = of all) compare again what they handed over, unless they began after this moment.
CREATE TABLE reconcile_wishes (
    code text PRIMARY KEY,
    at_us bigint NOT NULL
);
