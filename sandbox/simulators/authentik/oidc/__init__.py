"""Authentik's OpenID Connect providers: sign-in, tokens and sign-out."""

from sandbox.simulators.authentik.oidc.clients import OidcClient

__all__ = ["OidcClient"]
