"""Authentik: the tenant's group, who is in it, and the owner's account."""
