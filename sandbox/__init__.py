"""The embedded stack: real MongoDB and Valkey, stand-ins of the three products, and the platform itself."""
