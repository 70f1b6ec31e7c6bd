-- schema_22.sql - version 22.

-- == "A or B?": doubts.c ==

-- When the image of each came here; 0: asked before this version, and not looked at since.
ALTER TABLE correction ADD COLUMN came_at_us INTEGER NOT NULL DEFAULT 0;
ALTER TABLE correction ADD COLUMN other_came_at_us INTEGER NOT NULL DEFAULT 0;

-- == end of "A or B?" ==
