-- schema_13.sql - version 13.

-- == clinic's own systems: his_book.c ==

-- 1: a person saw that the report names another patient than its order, and had it sent all the same.
ALTER TABLE his_delivery ADD COLUMN is_confirmed INTEGER NOT NULL DEFAULT 0;
-- What was held was counted as a try, though nothing of it was sent.
UPDATE his_delivery SET tries = 0 WHERE state = 'refused' AND trouble = 'another_patient' AND tries = 1;

-- == end of clinic's own systems ==
