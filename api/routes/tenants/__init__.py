"""Routes of tenants, their domains, operations and events."""
