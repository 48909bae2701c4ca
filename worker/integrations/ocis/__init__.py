"""OCIS: the tenant's project space and its members."""
