-- Queries of reports; the tables are in migrations/0003_compose.sql.

-- name: report_version_count
SELECT versions FROM report WHERE read_id = $1
