"""Schemas of webhooks."""
