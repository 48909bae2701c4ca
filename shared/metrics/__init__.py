"""Metrics in Prometheus' format: what is counted, and where it can be scraped."""
