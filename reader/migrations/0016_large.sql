-- What a reader of years finds by index (docs/decisions/reader.md, "A large database"). The service waits for it once, at its
-- start: 4 s for 300,000 reads and 600,000 messages; at 10 million reads some two minutes.

CREATE INDEX reads_of_registration ON reads (tenant, registration) WHERE registration IS NOT NULL;
CREATE INDEX reads_looked ON reads (look_at_us) WHERE look_at_us > 0;
CREATE INDEX reads_done_of_tenant ON reads (tenant, changed_at_us) WHERE state IN ('signed', 'amended', 'withdrawn');
CREATE INDEX reads_done_of_agreement ON reads (agreement, agreement_version, changed_at_us) WHERE state IN ('signed', 'amended', 'withdrawn');
CREATE INDEX reads_done_of_author ON reads (author, changed_at_us) WHERE state IN ('signed', 'amended', 'withdrawn');
CREATE INDEX reads_done_of_reviewer ON reads (reviewer, changed_at_us) WHERE state IN ('signed', 'amended', 'withdrawn');
CREATE INDEX reads_rarely_done ON reads (state, changed_at_us) WHERE state IN ('amended', 'withdrawn');
CREATE INDEX clinic_taken_of_message ON clinic_taken (id);
CREATE INDEX patient_message_over ON patient_message (until_us) WHERE kind IN ('otp', 'phone') AND next_at_us IS NULL;

-- Reads that an order may be about, and orders that a read may be of: each by its own index. Who asks says which of them it is.
CREATE FUNCTION order_near(q orders) RETURNS TABLE (id bigint) LANGUAGE sql STABLE AS
    $$SELECT r.id FROM reads r WHERE r.tenant = q.tenant AND r.registration = q.registration
      UNION SELECT r.id FROM reads r WHERE r.tenant = q.tenant AND r.study_uid = q.study_uid
      UNION SELECT r.id FROM order_studies s JOIN reads r ON r.tenant = s.tenant AND r.study_uid = s.study_uid
        WHERE s.tenant = q.tenant AND s.registration = q.registration
      UNION SELECT r.id FROM reads r WHERE r.tenant = q.tenant AND r.accession = q.accession AND r.accession <> ''
      UNION SELECT r.id FROM reads r WHERE r.tenant = q.tenant AND r.patient_id = q.accession AND r.patient_id <> ''$$;
CREATE FUNCTION read_near(r reads) RETURNS TABLE (registration text) LANGUAGE sql STABLE AS
    $$SELECT q.registration FROM orders q WHERE q.tenant = r.tenant AND q.study_uid = r.study_uid
      UNION SELECT s.registration FROM order_studies s WHERE s.tenant = r.tenant AND s.study_uid = r.study_uid
      UNION SELECT q.registration FROM orders q WHERE q.tenant = r.tenant AND q.accession = r.accession AND q.accession <> ''
      UNION SELECT q.registration FROM orders q WHERE q.tenant = r.tenant AND q.accession = r.patient_id AND q.accession <> ''$$;
