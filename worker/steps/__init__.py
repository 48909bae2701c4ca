"""What each integration must look like for a tenant: idempotent functions that may run twice."""
