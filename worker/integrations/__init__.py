"""Integrations: a client, the steps and the orphan discovery of each."""
