"""Code that the API and the worker both use: features, database access, messaging, settings and logs."""
