"""Stalwart: mail domains, their keys and addresses, and the closing of a domain's mail."""
