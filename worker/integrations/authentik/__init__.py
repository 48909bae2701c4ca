"""Authentik."""
