"""Ocis."""
