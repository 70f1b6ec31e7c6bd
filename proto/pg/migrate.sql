-- What the door itself needs: which migrations were applied. Several services may start at once: an advisory lock lets
-- one at a time through.

-- name: migrations_begin
SELECT pg_advisory_lock(7267700);
CREATE TABLE IF NOT EXISTS schema_migrations (name text PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())

-- name: migrations_table
SELECT 1 FROM (SELECT $1::text) t WHERE to_regclass('schema_migrations') IS NOT NULL

-- name: migrations_after
SELECT 1 FROM schema_migrations WHERE name > $1 COLLATE "C"

-- name: migration_find
SELECT 1 FROM schema_migrations WHERE name = $1

-- name: migration_record
INSERT INTO schema_migrations (name) VALUES ($1)

-- name: migrations_end
SELECT pg_advisory_unlock(7267700)
