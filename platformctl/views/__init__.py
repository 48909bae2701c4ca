"""Views for people: a tenant's description, current problems, a zone file."""
