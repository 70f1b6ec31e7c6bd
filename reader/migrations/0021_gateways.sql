-- When the desk of each clinic's gateway called last, and the words of what does not run there (gateway/desk/gateway_parts.def;
-- NULL: an older desk). What is lost of it comes with the next call.
CREATE TABLE clinic_gateway (
    tenant text NOT NULL,
    device text NOT NULL,
    parts text,
    heard_at_us bigint NOT NULL,
    PRIMARY KEY (tenant, device)
);
