"""The platform on one machine: real MongoDB and Valkey, simulators of the outside products, and our processes."""
