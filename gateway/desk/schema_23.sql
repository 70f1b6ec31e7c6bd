-- schema_23.sql - version 23.

-- == cursor of the reader's messages: book_mail.c ==

-- The message that the cursor stands at: a database that was put back gives its number to another.
INSERT INTO setting (key, value)
SELECT 'cursor_at', i.id FROM inbox i JOIN setting s ON s.key = 'cursor' AND i.seq = CAST(s.value AS INTEGER)
ORDER BY i.at_us DESC LIMIT 1;

-- == end of cursor of the reader's messages ==
