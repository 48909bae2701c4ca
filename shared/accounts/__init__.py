"""User records, partners and emergency tokens."""
