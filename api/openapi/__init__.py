"""The OpenAPI description, generated from the routes, and its page."""
