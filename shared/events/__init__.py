"""The event log: accepted changes and outcomes of operations."""
