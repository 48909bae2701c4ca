"""Simulate Authentik: its management API and its OIDC providers."""
