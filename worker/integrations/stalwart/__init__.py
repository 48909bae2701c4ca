"""Stalwart."""
