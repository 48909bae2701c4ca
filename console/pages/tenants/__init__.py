"""Tenants: the list, a new one, and one with all that belongs to it."""
