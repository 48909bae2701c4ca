"""Restore detection and observe-only mode."""
