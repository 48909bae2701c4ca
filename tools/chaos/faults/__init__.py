"""Faults of processes, servers, messages and products."""
