"""Authenticate callers by access tokens, and admit them to routes."""
