-- schema_16.sql - version 16.

-- == clinic's own systems: his_told.c ==

-- Under which order, as it stood, a report was told; "" before this version, and to PACS.
ALTER TABLE his_delivery ADD COLUMN told TEXT NOT NULL DEFAULT '';

-- == end of clinic's own systems ==
