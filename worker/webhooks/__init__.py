"""Webhooks out: signed events to addresses that customers choose, and that are therefore not to be trusted."""
