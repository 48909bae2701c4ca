"""The scheduler's jobs. Each has a `push` that starts due work and waits for none of it."""
