"""The HTTP API (Flask). It records requests, publishes tasks and responds; it never calls an integration."""
