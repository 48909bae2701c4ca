"""The platform under test: its servers, processes and settings."""
