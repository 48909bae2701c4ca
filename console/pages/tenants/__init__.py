"""Pages of tenants: the list, the form for a new tenant, and the pages of one tenant."""
