-- schema_26.sql - version 26.

-- == registrations: book.c, book_find.c ==

-- SHA-256 of the code on the last slip, in hexadecimal: who shows the slip is found by it. "" none, or printed before this version.
ALTER TABLE registration ADD COLUMN slip_sha256 TEXT NOT NULL DEFAULT '';
CREATE INDEX registration_by_slip ON registration (slip_sha256) WHERE slip_sha256 <> '';
CREATE INDEX study_by_time ON study (arrived_at_us);

-- == end of registrations ==
