-- Examinations that doctors ordered at clinics, as they were told last. The message down carries the whole; its number is kept
-- here, so clinic_taken says when the clinic's machine had it. Each message's event_seq is a number of its own below zero.
CREATE SEQUENCE clinic_order_seq;
CREATE TABLE clinic_order (
    org text NOT NULL,                          -- whose number it is
    placer text NOT NULL,
    tenant text NOT NULL,
    login text NOT NULL,
    name text NOT NULL,
    patient text NOT NULL,
    modality text NOT NULL,
    description text NOT NULL,
    is_urgent boolean NOT NULL,
    is_cancelled boolean NOT NULL,
    message text NOT NULL,                      -- clinic_down.id
    at_us bigint NOT NULL,
    PRIMARY KEY (org, placer)
);
CREATE INDEX clinic_order_of_org ON clinic_order (org, at_us);
