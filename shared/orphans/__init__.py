"""Orphans: scans, quarantine and removal."""
