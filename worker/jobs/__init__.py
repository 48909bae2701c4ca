"""The scheduler's jobs. Each has a `run_once` that starts due work and waits for none of it."""
