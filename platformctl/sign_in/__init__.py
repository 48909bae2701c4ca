"""Signing in: finding the issuer's endpoints, the grants, and keeping the tokens."""
