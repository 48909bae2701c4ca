"""Authentik: the tenant's group and its members, and the owner's account."""
