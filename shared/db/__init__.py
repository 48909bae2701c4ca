"""Access to MongoDB for all repositories."""
