"""Services that start, settle and repeat operations on tenants."""
