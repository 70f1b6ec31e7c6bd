-- schema_5.sql - version 5.

-- == what devices say they made: mpps_book.c ==

-- Asked for at each look at the desk, over years of examinations.
CREATE INDEX expected_awaited ON expected (study) WHERE is_here = 0;
CREATE INDEX expected_by_time ON expected (at_us, study);

-- == end of what devices say they made ==
