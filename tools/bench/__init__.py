"""Benchmarks: measurements as ratios within one run, never asserted."""
