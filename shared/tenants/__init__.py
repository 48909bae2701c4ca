"""Tenants: model, transitions and repositories."""
