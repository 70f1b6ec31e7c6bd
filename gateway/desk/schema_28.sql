-- schema_28.sql - version 28.

-- == "A or B?": doubts.c ==

-- What the two images say of their exam: where one person stands on both sides, the answer lies there. is_described 0: of an
-- older version; the next look at the image fills it in.
ALTER TABLE correction ADD COLUMN is_described INTEGER NOT NULL DEFAULT 0;
ALTER TABLE correction ADD COLUMN accession TEXT NOT NULL DEFAULT '';
ALTER TABLE correction ADD COLUMN study_date TEXT NOT NULL DEFAULT '';
ALTER TABLE correction ADD COLUMN study_time TEXT NOT NULL DEFAULT '';
ALTER TABLE correction ADD COLUMN study_number TEXT NOT NULL DEFAULT '';
ALTER TABLE correction ADD COLUMN description TEXT NOT NULL DEFAULT '';
ALTER TABLE correction ADD COLUMN other_accession TEXT NOT NULL DEFAULT '';
ALTER TABLE correction ADD COLUMN other_study_date TEXT NOT NULL DEFAULT '';
ALTER TABLE correction ADD COLUMN other_study_time TEXT NOT NULL DEFAULT '';
ALTER TABLE correction ADD COLUMN other_study_number TEXT NOT NULL DEFAULT '';
ALTER TABLE correction ADD COLUMN other_description TEXT NOT NULL DEFAULT '';

-- == what the centre says in words: book_mail.c ==

CREATE INDEX notice_by_time ON notice (at_us);

-- == end of what the centre says ==
