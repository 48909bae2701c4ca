"""Chaos runs: random faults under load from one seed, then checks of the invariants that must hold."""
