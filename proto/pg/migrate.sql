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

-- Tables that are filled and of which nothing is known: a restored database, an upgraded PostgreSQL. Each a sample, seconds.
-- name: statistics_make
DO $$DECLARE t record; BEGIN
    FOR t IN SELECT c.oid::regclass AS name FROM pg_class c WHERE c.relkind = 'r' AND c.relnamespace = current_schema()::regnamespace
        AND pg_relation_size(c.oid) > 1000000 AND NOT EXISTS (SELECT FROM pg_stats s
            WHERE s.schemaname = current_schema() AND s.tablename = c.relname)
    LOOP EXECUTE format('ANALYZE %s', t.name); END LOOP;
END$$

-- name: migrations_end
SELECT pg_advisory_unlock(7267700)
