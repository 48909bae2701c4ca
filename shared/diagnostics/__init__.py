"""Diagnostics: a set of checks of the platform, on record."""
