"""Schemas of users, partners and subscriptions."""
