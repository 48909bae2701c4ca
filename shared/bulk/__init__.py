"""Bulk operations: one action on many tenants, found by a dry run first and then paced."""
