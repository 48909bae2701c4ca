"""Load on a system: requests, attacks, and tenants that are there already."""
