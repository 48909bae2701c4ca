"""Domains of tenants: DNS records, proof of ownership, checks."""
