-- Rows that nobody needs any more: forget.c. Each looks at a page behind $1 and says whether there may be more, and behind what.

-- name: receipts_forget
WITH page AS (SELECT r.seq, r.tenant_id, r.device, r.at_us FROM receipts r WHERE r.seq > $1 ORDER BY r.seq LIMIT $3),
gone AS (
    DELETE FROM receipts r USING page p WHERE r.seq = p.seq AND p.at_us < $2
        AND EXISTS (SELECT FROM receipts n WHERE n.tenant_id = p.tenant_id AND n.device = p.device AND n.seq > p.seq)
)
SELECT count(*) = $3 AND min(p.at_us) < $2, max(p.seq) FROM page p

-- name: events_forget
WITH page AS (SELECT e.seq, e.tenant_id, e.at_us FROM events e WHERE e.seq > $1 ORDER BY e.seq LIMIT $3),
gone AS (
    DELETE FROM events e USING page p WHERE e.seq = p.seq AND p.at_us < $2
        AND EXISTS (SELECT FROM events n WHERE n.tenant_id = p.tenant_id AND n.seq > p.seq)
)
SELECT count(*) = $3 AND min(p.at_us) < $2, max(p.seq) FROM page p

-- name: jobs_forget
WITH page AS (SELECT j.id, j.done_at_us FROM pack_jobs j WHERE j.id > $1 ORDER BY j.id LIMIT $3),
gone AS (
    DELETE FROM pack_jobs j USING page p WHERE j.id = p.id AND p.done_at_us < $2
        AND NOT EXISTS (SELECT FROM instances i WHERE i.job = p.id AND i.pack IS NULL)
)
SELECT count(*) = $3 AND min(p.done_at_us) < $2, max(p.id) FROM page p
