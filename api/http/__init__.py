"""HTTP concerns that all routes share: parsing, responses, errors, idempotency, limits, logs."""
