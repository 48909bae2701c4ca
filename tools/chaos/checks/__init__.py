"""Checks after a run: evidence, invariants about it, and probes of effects."""
