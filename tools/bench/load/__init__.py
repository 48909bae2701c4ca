"""Load on a system: requests, attacks, and existing tenants."""
