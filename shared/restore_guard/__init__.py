"""Restore_guard."""
