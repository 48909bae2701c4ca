"""Clients of the outside systems: their words in ours, no policy."""
