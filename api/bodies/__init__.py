"""What may be sent: one model for each body. Their schemas are the service's description as well."""
