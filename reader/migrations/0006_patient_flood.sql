-- How many calls of "open" wait from one address.
CREATE INDEX patient_challenge_of_address ON patient_challenge (address) WHERE otp_sha256 IS NULL;
