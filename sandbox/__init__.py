"""The embedded stack: real MongoDB and Valkey, simulators of the three products, and the platform itself."""
