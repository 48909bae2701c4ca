"""The stand-in for the DNS that the platform's resolvers see."""
