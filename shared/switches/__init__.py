"""Circuit breakers and pauses."""
