-- schema_27.sql - version 27.

-- == reports, after years of them: book_reports.c, notes.c ==

-- Of a version: whether it was opened to be printed and not given back to the queue, and what still waits for somebody.
ALTER TABLE report ADD COLUMN is_printed INTEGER NOT NULL DEFAULT 0;
ALTER TABLE report ADD COLUMN is_unconfirmed INTEGER AS (standing <> 'amended' AND confirmed_at_us = 0);
ALTER TABLE report ADD COLUMN is_unprinted INTEGER AS (standing = 'valid' AND pdf_sha256 <> '' AND is_printed = 0);
UPDATE report SET is_printed = 1 WHERE (read_id, version) IN (SELECT read_id, version FROM report_print WHERE is_back = 0);

-- Where a read stands in the list of reports: when its newest version came, and how many of its versions wait. Kept by the
-- triggers below, as the counts are: nobody looks through all reports at each look at the desk.
CREATE TABLE report_place (
    read_id INTEGER PRIMARY KEY,
    at_us INTEGER NOT NULL,
    due INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX report_place_order ON report_place (due > 0, at_us, read_id);
INSERT INTO report_place (read_id, at_us, due)
SELECT read_id, max(received_at_us), sum(is_unconfirmed OR is_unprinted) FROM report GROUP BY read_id;

CREATE TABLE report_tally (
    reports INTEGER NOT NULL,
    unconfirmed INTEGER NOT NULL,
    unprinted INTEGER NOT NULL
) STRICT;
INSERT INTO report_tally (reports, unconfirmed, unprinted)
SELECT count(*), coalesce(sum(is_unconfirmed), 0), coalesce(sum(is_unprinted), 0) FROM report;

CREATE TRIGGER report_came AFTER INSERT ON report BEGIN
    INSERT INTO report_place (read_id, at_us, due)
    VALUES (NEW.read_id, NEW.received_at_us, NEW.is_unconfirmed OR NEW.is_unprinted)
    ON CONFLICT (read_id) DO UPDATE SET at_us = max(at_us, excluded.at_us), due = due + excluded.due;
    UPDATE report_tally SET reports = reports + 1, unconfirmed = unconfirmed + NEW.is_unconfirmed,
        unprinted = unprinted + NEW.is_unprinted;
END;
CREATE TRIGGER report_turned AFTER UPDATE OF standing, confirmed_at_us, pdf_sha256, is_printed ON report
WHEN OLD.is_unconfirmed <> NEW.is_unconfirmed OR OLD.is_unprinted <> NEW.is_unprinted BEGIN
    UPDATE report_place SET due = due + (NEW.is_unconfirmed OR NEW.is_unprinted) - (OLD.is_unconfirmed OR OLD.is_unprinted)
    WHERE read_id = NEW.read_id;
    UPDATE report_tally SET unconfirmed = unconfirmed + NEW.is_unconfirmed - OLD.is_unconfirmed,
        unprinted = unprinted + NEW.is_unprinted - OLD.is_unprinted;
END;
CREATE TRIGGER report_printed AFTER INSERT ON report_print WHEN NEW.is_back = 0 BEGIN
    UPDATE report SET is_printed = 1 WHERE read_id = NEW.read_id AND version = NEW.version;
END;
CREATE TRIGGER report_given_back AFTER UPDATE OF is_back ON report_print BEGIN
    UPDATE report SET is_printed = EXISTS (SELECT 1 FROM report_print i
        WHERE i.read_id = NEW.read_id AND i.version = NEW.version AND i.is_back = 0)
    WHERE read_id = NEW.read_id AND version = NEW.version;
END;

CREATE INDEX report_print_by_time ON report_print (at_us) WHERE is_back = 0;
CREATE INDEX report_pdf_wanted ON report (received_at_us) WHERE is_pdf_wanted = 1;

-- == what else is asked for again and again ==

CREATE INDEX outbox_refused ON outbox (n) WHERE outcome = 'refused';
CREATE INDEX his_document_wanted ON his_document (next_at_us) WHERE sha256 = '';
CREATE INDEX call_in_order ON call (outcome <> '', kind <> 'critical', heard_at_us <> 0, at_us DESC);
CREATE INDEX doubt_by_time ON doubt (at_us);
CREATE INDEX doubt_open ON doubt (at_us) WHERE bits & ~resolved & ~confirmed <> 0;
CREATE INDEX mpps_order_of ON mpps_order (number);

-- == end of what else is asked for ==
