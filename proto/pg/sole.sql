-- Of one service at a time (sole.c); the lock is the session's, and of this database alone.

-- And which session that is, on this server: the process, and when it began.
-- name: sole_take
SELECT pg_try_advisory_lock(7267701, hashtext($1)), a.pid || ' ' || extract(epoch FROM a.backend_start)
FROM pg_stat_activity a WHERE a.pid = pg_backend_pid()

-- If this session ($2) has it, it is to end; no row: another one has it.
-- name: sole_end
SELECT pg_terminate_backend(a.pid)
FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid JOIN pg_database d ON d.oid = l.database
WHERE l.locktype = 'advisory' AND l.granted AND d.datname = current_database()
  AND l.classid = 7267701 AND l.objid = (hashtext($1)::bigint & 4294967295)::oid
  AND a.pid || ' ' || extract(epoch FROM a.backend_start) = $2

-- name: sole_holder
SELECT a.application_name, to_char(a.backend_start AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI "UTC"')
FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid JOIN pg_database d ON d.oid = l.database
WHERE l.locktype = 'advisory' AND l.granted AND d.datname = current_database()
  AND l.classid = 7267701 AND l.objid = (hashtext($1)::bigint & 4294967295)::oid
