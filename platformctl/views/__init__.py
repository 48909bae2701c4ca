"""What people read: a tenant described, what is wrong now, a zone file."""
