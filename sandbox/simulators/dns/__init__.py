"""The simulator of the DNS that the platform's resolvers see."""
