-- What gateways are told with each ping.

-- name: policy_set
INSERT INTO gateway_policies (code, policy, set_at_us) VALUES ($1, $2, $3)
ON CONFLICT (code) DO UPDATE SET policy = EXCLUDED.policy, set_at_us = EXCLUDED.set_at_us

-- name: policy_clear
DELETE FROM gateway_policies WHERE code = $1

-- name: policies
SELECT code, policy, set_at_us FROM gateway_policies ORDER BY code

-- name: reconcile_wish
INSERT INTO reconcile_wishes (code, at_us) VALUES ($1, $2) ON CONFLICT (code) DO UPDATE SET at_us = EXCLUDED.at_us

-- name: reconcile_wishes
SELECT code, at_us FROM reconcile_wishes
