"""Subscriptions of tenants to plans."""
