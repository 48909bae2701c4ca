"""The catalogue of integrations, their faults and reasons, and ownership markers."""
