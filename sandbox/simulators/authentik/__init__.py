"""The stand-in for Authentik: its management API and its OIDC providers."""
