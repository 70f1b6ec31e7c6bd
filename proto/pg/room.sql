-- A server whose disk is full answers every question: only a write tells (room.c). New pages, and a commit.

-- name: room_try
BEGIN; CREATE TEMP TABLE room_tried ON COMMIT DROP AS SELECT repeat(md5(g::text), 8) AS filler FROM generate_series(1, 512) g; COMMIT

-- name: room_data_directory
SELECT setting FROM pg_settings WHERE name = 'data_directory' AND (inet_server_addr() IS NULL OR inet_server_addr() = inet_client_addr())
