"""Signing in at the OpenID Connect issuer: device code, client credentials, refresh, revocation."""
