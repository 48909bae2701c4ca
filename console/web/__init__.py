"""Shared by all pages: security headers, API access, forms, lists, formats of times and states."""
