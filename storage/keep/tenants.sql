-- Tenants, application entities, tokens, enrolment codes, certificates.

-- name: tenant_add
INSERT INTO tenants (code, name, made_at_us) VALUES ($1, $2, $3)
ON CONFLICT (code) DO UPDATE SET name = EXCLUDED.name

-- name: tenant_find
SELECT id, code FROM tenants WHERE code = $1

-- name: ae_add
INSERT INTO aes (tenant_id, ae, host, port, rights)
SELECT t.id, $2, $3, $4, $5 FROM tenants t WHERE t.code = $1
  AND NOT EXISTS (SELECT FROM aes o WHERE o.ae = $2::text AND o.tenant_id <> t.id
                  AND (o.host = '' OR $3::text = ''))
ON CONFLICT (ae, host) DO UPDATE SET port = EXCLUDED.port, rights = EXCLUDED.rights
WHERE aes.tenant_id = EXCLUDED.tenant_id

-- name: ae_find
SELECT t.code, a.ae, a.host, a.port, a.rights FROM aes a JOIN tenants t ON t.id = a.tenant_id
WHERE a.ae = $1 AND a.host IN ($2, '') ORDER BY a.host = '' LIMIT 1

-- name: destination_find
SELECT t.code, a.ae, a.host, a.port, a.rights FROM aes a JOIN tenants t ON t.id = a.tenant_id
WHERE t.code = $1 AND a.ae = $2 AND a.port > 0 AND a.host <> '' ORDER BY a.host LIMIT 1

-- name: token_add
INSERT INTO tokens (sha256, tenant_id, name, rights, made_at_us)
SELECT $2, t.id, $3, $4, $5 FROM tenants t WHERE t.code = $1

-- name: token_find
SELECT t.code, k.name, k.rights FROM tokens k JOIN tenants t ON t.id = k.tenant_id
WHERE k.sha256 = $1 AND k.revoked_at_us IS NULL

-- name: token_revoke
UPDATE tokens k SET revoked_at_us = $3 FROM tenants t
WHERE t.id = k.tenant_id AND t.code = $1 AND k.name = $2 AND k.revoked_at_us IS NULL

-- name: code_add
INSERT INTO enrol_codes (sha256, tenant_id, device, kind, expires_at_us, names)
SELECT $2, t.id, $3, $4, $5, $6 FROM tenants t WHERE t.code = $1

-- name: code_burn
UPDATE enrol_codes e SET key_sha256 = $2, burnt_at_us = coalesce(e.burnt_at_us, $3)
FROM tenants t
WHERE t.id = e.tenant_id AND e.sha256 = $1 AND e.expires_at_us > $3
  AND (e.key_sha256 IS NULL OR e.key_sha256 = $2)
RETURNING t.code, e.device, e.kind, e.names

-- name: certificate_add
INSERT INTO certificates (serial, tenant_id, device, kind, fingerprint, not_after_us, made_at_us, names)
SELECT $2, t.id, $3, $4, $5, $6, $7, $8 FROM tenants t WHERE t.code = $1
ON CONFLICT (serial) DO NOTHING

-- name: certificate_check (plan kept)
SELECT 1 FROM certificates c JOIN tenants t ON t.id = c.tenant_id
WHERE c.serial = $1 AND t.code = $2 AND c.device = $3 AND c.revoked_at_us IS NULL AND c.not_after_us > $4

-- name: certificate_names
SELECT names FROM certificates WHERE serial = $1

-- name: device_revoke
WITH codes AS (
    UPDATE enrol_codes e SET expires_at_us = 0 FROM tenants o
    WHERE o.id = e.tenant_id AND o.code = $1 AND e.device = $2 AND e.expires_at_us > $3
)
UPDATE certificates c SET revoked_at_us = $3 FROM tenants t
WHERE t.id = c.tenant_id AND t.code = $1 AND c.device = $2 AND c.revoked_at_us IS NULL
