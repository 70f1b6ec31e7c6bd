-- name: his_seen_find
SELECT 1 FROM his_seen WHERE sender = ?1 AND control = ?2 AND sha256 = ?3

-- name: his_seen_add
INSERT INTO his_seen (sender, control, sha256, at_us) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING

-- name: his_seen_clean
DELETE FROM his_seen WHERE n <= (SELECT max(n) FROM his_seen) - ?1
