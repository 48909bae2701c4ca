"""Routes for operators of the platform."""
