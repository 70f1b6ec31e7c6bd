-- Calls of doctors to clinics: critical findings, which somebody there reads back, and requests to make images again. The
-- number is also that of the message down (clinic_down.id), so clinic_taken says when the clinic's machine had it.
CREATE TABLE clinic_call (
    id text PRIMARY KEY,
    tenant text NOT NULL,
    read_id bigint NOT NULL,
    kind text NOT NULL CHECK (kind IN ('critical', 'repeat')),
    words text NOT NULL,
    is_on_preview boolean NOT NULL,
    login text NOT NULL,
    name text NOT NULL,
    hospital text NOT NULL,
    at_us bigint NOT NULL,
    outcome text NOT NULL DEFAULT '',           -- '' no answer yet; 'read_back', 'will_repeat', 'cannot_repeat'
    answer text NOT NULL DEFAULT '',
    answered_by text NOT NULL DEFAULT '',
    answered_at_us bigint NOT NULL DEFAULT 0
);
CREATE INDEX clinic_call_of_read ON clinic_call (read_id);
