"""The management API of Authentik, version 3."""
